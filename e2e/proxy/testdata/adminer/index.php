<?php
// Adminer, as Debian has it, behind HTTP Basic: anna, whose password is secret.
if (($_SERVER['PHP_AUTH_USER'] ?? '') !== 'anna' || ($_SERVER['PHP_AUTH_PW'] ?? '') !== 'secret') {
	header('WWW-Authenticate: Basic realm="databases"');
	http_response_code(401);
	exit;
}
if (parse_url($_SERVER['REQUEST_URI'], PHP_URL_PATH) === '/api/me') {
	header('Content-Type: application/json');
	echo json_encode(['user' => ['id' => 'u-7', 'name' => 'Anna Kowalska', 'mail' => 'anna@example.com']]);
	exit;
}
function adminer_object() {
	class NoPassword extends Adminer {
		function login($login, $password) {
			return true; // a file of SQLite has none
		}
	}
	return new NoPassword;
}
chdir('/usr/share/adminer/adminer');
include './index.php';
