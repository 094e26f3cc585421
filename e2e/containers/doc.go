// Package containers runs docker-compose.yml as it is, in containers, kills them,
// cuts their power, fills their disk, and puts up others in their place. "make
// test-containers" runs it; "make test" leaves it out, because it needs an engine and
// minutes. Where no engine is to be had it fails, for nothing was tried.
//
// It uses the container engine that answers (DOCKER_HOST), or starts one of its
// own where it may (root, with dockerd and iptables from Debian's docker.io and
// iptables). Images that the engine neither has nor can pull are made here, under
// the names that the compose file uses: from the pinned Loki and Prometheus, the
// machine's nginx and busybox, its Go and its module cache; they have no digest to be
// compared with, so the file is then run without. Grafana joins in if
// its image is to be had, or GRAFANA_HOME names an installation.
//
// Engines on one machine share its firewall: one that starts takes away the rules
// that keep another's networks apart, and the test will tell. With another engine
// about, give it a network of its own:
//
//	unshare -n sh -c 'ip link set lo up; make test-containers'
package containers
