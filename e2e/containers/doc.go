// Package containers runs docker-compose.yml as it is, in containers, and kills
// them. "make test-containers" runs it; "make test" leaves it out, because it
// needs an engine and minutes.
//
// It uses the container engine that answers (DOCKER_HOST), or starts one of its
// own where it may (root, with dockerd and iptables from Debian's docker.io and
// iptables). Images that the engine neither has nor can pull are made here, under
// the names that the compose file uses: from the pinned Loki and Prometheus, the
// machine's nginx and busybox, its Go and its module cache. Grafana joins in if
// its image is to be had, or GRAFANA_HOME names an installation.
package containers
