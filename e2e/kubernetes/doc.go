// Package kubernetes has tests only, of what deploy/kubernetes holds: the chart is
// rendered by Helm, with the values in its folder ci and with others; every manifest
// is read strictly into Kubernetes' own types, and into types of its own where an
// operator brings the kind; the proxy's file passes "adminsessions proxy check".
//
// With the build tag kubernetes ("make test-kubernetes") the chart is installed in a
// real cluster of one node, which the test starts from the pinned programs, in
// namespaces of its own: etcd, the API server, its controllers and scheduler, the
// kubelet with containerd and runc, kube-proxy, the bridge of the CNI plugins, CoreDNS.
// It needs root, runc, iptables, conntrack, Debian's CNI plugins, busybox and nginx,
// and no network. Images are made here. Where kube-router and ipset are found,
// NetworkPolicies are enforced and tried, too: the bridge alone enforces none.
package kubernetes
