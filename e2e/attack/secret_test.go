package attack

import (
	"encoding/base64"
	"fmt"
	"net/url"
	"strings"
)

// Secrets as they are, told by their shape. Each is put together here, so that
// no scanner takes this file for a leak.
var (
	jwt     = "eyJhbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJhbm5hIn0." + "c2lnbmF0dXJlLW9mLXRoaXM"
	github  = "ghp" + "_" + "16C7e42F292c6912E7710c838347Ae178B4a"
	stripe  = "sk" + "_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
	amazon  = "AKIA" + "IOSFODNN7EXAMPLE"
	card    = "4111" + "1111" + "1111" + "1111"
	privkey = "-----BEGIN " + "PRIVATE KEY-----\nMIIEvQIBADANBgkqhkiG9w0BAQEFAASC\n-----END PRIVATE KEY-----"
)

// secrets stand where a client, or the panel's own links, put them. None may
// stand in the trail.
func secrets() []attack {
	var attacks []attack
	add := func(kind, target string, lacks ...string) {
		attacks = append(attacks, attack{
			name:    fmt.Sprintf("secret-%s-%02d", kind, len(attacks)+1),
			request: request{target: target, as: "anna"},
			want:    want{urlHas: []string{"/admin/"}, lacks: lacks},
		})
	}
	const path, hidden = "/admin/api/clients", "Zq8hunter2"
	for _, name := range []string{
		"token", "access_token", "accessToken", "refresh-token", "id_token", "password", "Password", "passwd", "pwd", "user[password]", "pass1", "pwd2",
		"newpass", "oldpwd", "userpass", "pswd", "passcode", "pincode", "otpcode", "otp", "2fa", "cvv", "secret", "client_secret", "api_key", "apikey", "authkey",
		"appkey", "masterkey", "licensekey", "sig", "signature", "X-Amz-Signature", "X-Amz-Security-Token", "Policy", "code", "oobCode", "oauth_verifier",
		"code_verifier", "verification_code", "recovery_code", "backup_code", "device_code", "sms_code", "invite_code", "state", "nonce", "csrf", "_csrf", "xsrf",
		"SAMLart", "SAMLResponse", "RelayState", "remember_me", "sess", "sid", "session_id", "jwt", "haslo", "kennwort", "passwort", "mot_de_passe", "senha",
		"pass%77ord", "to%6ben", "password%5B%5D", "a.password", "PASSWORD", "private_key",
	} {
		add("name", path+"?page=1&"+name+"="+hidden+"&per_page=1", hidden)
	}
	for _, target := range []string{
		path + "?per_page=1&&token=" + hidden,
		path + "?token=" + hidden + ";per_page=1",
		path + "?page=1;token=" + hidden,
		"/admin/login;jsessionid=" + hidden,
		"/admin/x;token=" + hidden + "/y",
		"/admin/x?next=%2Fy%3Ftoken%3D" + hidden,
		"/admin/x?next=%252Fy%253Ftoken%253D" + hidden,
		"/admin/x?next=100%zz%3Ftoken%3D" + hidden,
		"/admin/x?next=https%3A%2F%2Fuser%3A" + hidden + "%40host%2F",
		"/admin/x?password%3D" + hidden,
		"/admin/proxy/https://user:" + hidden + "@host/",
		"/admin/x?variables=" + url.QueryEscape(`{"password":"`+hidden+`"}`),
		"/admin/x?filter=" + url.QueryEscape(`{"user":{"apiKey":"`+hidden+`"}}`),
		"/admin/x?q=" + url.QueryEscape(`mutation{login(password:"`+hidden+`")}`),
		"/admin/x?dsn=" + url.QueryEscape("mysql://root:"+hidden+"@db/panel"),
		"/admin/x?h=" + url.QueryEscape("Authorization: Bearer "+hidden+hidden+hidden),
		"/admin/x#access_token=" + hidden,
	} {
		add("place", target, hidden)
	}
	for _, value := range []string{jwt, github, stripe, amazon, card, privkey} {
		add("shape", "/admin/x?v="+url.QueryEscape(value), value, strings.Split(value+"\n"+value, "\n")[1])
	}
	add("jwt-path", "/admin/verify/"+jwt, jwt)
	add("jwt-query", "/admin/x?"+jwt, jwt)
	add("jwt-bearer", "/admin/x?v="+url.QueryEscape("Bearer "+jwt), jwt)
	add("jwt-escaped", "/admin/x?v=%65"+jwt[1:], jwt, jwt[1:])
	add("github-path", "/admin/verify/"+github, github)

	// A password typed as the user name.
	typed := "Correct-horse-" + hidden
	attacks = append(attacks,
		attack{name: "secret-typed-as-name", request: request{method: "POST", target: "/admin/login", headers: form, body: "email=" + typed + "&password=x"}, want: want{status: 401, lacks: []string{typed, hidden}}},
		attack{name: "secret-typed-as-basic", request: request{headers: []string{"Authorization: Basic " + base64.StdEncoding.EncodeToString([]byte(typed+":"))}}, want: want{status: 401, lacks: []string{typed, hidden}}},
		attack{name: "secret-in-body", request: request{method: "POST", target: "/admin/login", headers: form, body: "email=anna%40example.com&password=" + hidden}, want: want{status: 401, lacks: []string{hidden}}},
		attack{name: "secret-bearer", request: request{headers: []string{"Authorization: Bearer " + hidden}}, want: want{status: 401, lacks: []string{hidden}}},
		attack{name: "secret-cookie", request: request{target: "/admin/", headers: []string{"Cookie: panel_session=" + hidden}}, want: want{status: 303, lacks: []string{hidden}}},
		attack{name: "secret-host", request: request{host: "user:" + hidden + "@panel.example", as: "anna"}, want: want{lines: -1, lacks: []string{hidden}}},
	)

	// What only looks like a secret can be read.
	for i, pair := range []string{
		"monkey=banana", "zip_code=30-001", "author=kowalska", "designer=nowak", "keyboard=qwerty", "country_code=PL", "passenger=anna", "compass=north",
		"status_code=404", "sort=name", "keyword=hosting", "page=2", "order=7731",
	} {
		attacks = append(attacks, attack{
			name:    fmt.Sprintf("harmless-%02d", i+1),
			request: request{target: path + "?" + pair, as: "anna"},
			want:    want{urlHas: []string{pair}},
		})
	}
	return attacks
}
