// Package viewer shows that the Admin Sessions page works: against a real Loki,
// and in a real browser.
//
// The browser is Chromium from the operating system: the program that CHROMIUM
// names, else chromium, chromium-browser or google-chrome on PATH. Accessibility
// is checked by axe-core, which `npm ci` puts into axe/node_modules. A test that
// lacks one of them fails and says what to install.
//
// With -pictures DIR the browser tests save what they see there. The pictures in the
// documents are taken by TestPictures: run `make pictures`.
package viewer
