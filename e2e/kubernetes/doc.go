// Package kubernetes has tests only, of what deploy/kubernetes holds: the chart is
// rendered by Helm, with the values in its folder ci and with others; every manifest
// is read strictly into Kubernetes' own types, and into types of its own where an
// operator brings the kind; the proxy's file passes "adminsessions proxy check".
package kubernetes
