package redact

// when says for which values a name marks a secret.
type when uint8

const (
	never         when = iota
	always             // whatever the value is
	unlessTold         // not words, a number or a date that tell about a secret
	unlessFlag         // not a yes or no
	unlessPlain        // not words and numbers as people write them
	unlessPlainID      // nor a UUID
	ifRandom           // only a long value that a machine has made
)

// nameRule is how one kind of secret is called. Lists are divided by spaces, in
// small letters without accents. A name is taken apart into words at whatever
// is neither letter nor digit and where small letters meet capitals; digits at
// the ends of a word don't count ("pass1").
type nameRule struct {
	kind  string
	part  string // anywhere in the name, across its separators: "pass_word"
	in    string // anywhere in a word
	word  string // a whole word
	start string // how a word begins
	end   string // how a word ends
	whole string // the whole name, without its separators
	when  when   // zero means always
}

// nameRules is the table of names. A name that only looks like one of them
// belongs into harmless.
var nameRules = []nameRule{
	{
		kind:  "password",
		part:  "password passwd passphrase",
		in:    "pwd pswd psswd passcode passwort passord passconf passnew passold passcheck passagain passrepeat passverify",
		word:  "pass passe pw psw pword pswrd passkey",
		start: "passw",
		end:   "pass pw",
	},
	{
		kind: "password in other languages",
		part: "motdepasse motpasse palavrapasse contrasena contrasenya contrasinal katasandi katalaluan matkhau كلمةالمرور كلمةالسر құпиясөз нууцүг",
		in: "parola haslo kennwort losungswort senha wachtwoord adgangskode kodeord losenord salasana heslo geslo lozinka jelszo pasahitza " +
			"slaptazodis fjalekalim lykilord parool zaporka sifrem sifrə wagwoord nenosiri cyfrinair pasfhocal pasvorto " +
			"пароль парола лозинка гасло 密码 密碼 口令 暗証 パスワード 비밀번호 암호 รหัสผ่าน पासवर्ड סיסמה סיסמא κωδικος συνθηματικο პაროლი գաղտնաբառ",
		word: "mdp parole parol sifre clave sandi mima chave",
	},
	{
		kind: "token",
		part: "token bearer",
		in:   "jwt jws jwe токен 令牌 トークン 토큰",
		word: "tok tkn jeton zeton otc otac hdnts hdnea hdntl",
	},
	{
		kind: "key", // keys of other kinds: see nouns
		word: "llave chiave klucz kluc nyckel schluessel schlussel cle ключ",
	},
	{
		kind: "secret",
		part: "secret credential kubeconfig maidenname mnemonic seedphrase recoveryphrase seedwords securityanswer questionanswer connectionstring connstr",
		word: "cred creds hmac salt psk wpapsk sekret sekrety tajemnica geheim geheimnis segreto segredo tajne tajny секрет",
	},
	{
		kind: "signature",
		part: "signature",
		word: "sig sigs apisig authsig",
	},
	{
		kind: "sign-in",
		word: "auth authz authn authorization authorisation assertion wresult wctx spnego ntlm kerberos",
		part: "relaystate saml",
		end:  "userauth basicauth httpauth proxyauth",
	},
	{kind: "proof of a sign-in", part: "verifier"},
	{
		kind:  "one-time password",
		word:  "2fa mfa tfa u2f twofa totp hotp puk mtan smstan itan phototan chiptan",
		whole: "tan",
		part:  "twofactor 验证码 驗證碼 校验码 動態碼 动态码 認証コード 確認コード 인증번호 인증코드 кодподтверждения кодпроверки",
		start: "otp",
		end:   "otp",
	},
	{
		kind: "PIN",
		word: "pin",
		end: "userpin newpin oldpin mypin cardpin simpin apppin loginpin adminpin currentpin confirmpin repeatpin repin " +
			"verifypin atmpin bankpin mobilepin webpin temppin staffpin accesspin securitypin deviceppin doorpin devicepin",
	},
	{
		kind: "card",
		word: "cvv cvc cvn csc ccv cv2 ssn",
		part: "cardnumber cardnum cardno ccnumber ccnum",
		end:  "cvv cvc",
	},
	{
		kind: "session",
		part: "session sessid cookie",
		word: "sess sid phpsid websid cfid jsid",
	},
	{
		kind: "against forged requests",
		in:   "csrf xsrf nonce captcha turnstile viewstate eventvalidation",
	},
	{kind: "staying signed in", part: "rememberme staysignedin keepsignedin keepmesignedin keepmeloggedin", whole: "remember", when: unlessFlag},
	{kind: "state of a sign-in", word: "state", when: unlessPlain},
	{kind: "ticket of a sign-in", word: "ticket tickets tgt pgt pgtiou", when: unlessPlain},
	{kind: "seed", word: "seed", when: unlessPlain},
	{kind: "signed policy", whole: "policy authentication oauth", when: unlessPlain},
	{
		kind: "link by mail",
		whole: "invite invitation activation activate confirmation confirm verification verify recovery recover reset unlock " +
			"magic magiclink claim grant access refresh login sso hash loginhash autologin pk sign signed license licence share unsubscribe pat",
		when: ifRandom,
	},
}

// noun is a word that is a secret's name, alone or behind another word
// ("masterkey", "sms_code"), unless the other word says of what it is one.
type noun struct {
	words string
	of    string // what it may be of and be harmless
}

var nouns = []noun{
	{
		words: "key keys",
		of: "sort group primary foreign partition row cache translation locale lang language i18n setting settings config option meta " +
			"issue field column lookup hot shortcut label tab menu feature surrogate idempotency websocket unique composite natural " +
			"object file path routing dedup event metric tag json property prop attribute attr theme color colour style widget block " +
			"section page category taxonomy param parameter filter public pub arrow home bucket s3",
	},
	{
		words: "code codes kod kode codigo codice koodi",
		of: "zip post postal country area currency language lang locale status error err exit reason http response resp result ret return " +
			"product item sku article part customer client account department dept branch cost center centre tax vat hs nace sic iso dial " +
			"dialing dialling calling airport iata icao port city region state province county district municipality street building " +
			"room color colour hex bar qr char scan source short promo promotion coupon discount referral affiliate campaign plan " +
			"tariff price rate class category type group module plugin theme template unit measure material asset location warehouse " +
			"shelf bin lot model make brand vendor supplier course subject school bank sort swift bic routing event log message " +
			"msg term stop station flight train stock ticker market diagnosis icd job position occupation nationality gender " +
			"nuts geo place timezone tz op byte machine morse dress pocztowy pays pais postale fiscale fiscal lending name page",
	},
}

// harmless are words that have a secret's name within, and are none.
const harmless = "monkey donkey turkey whiskey hockey jockey hokey pokey smokey jokey lackey mickey hickey rickey dickey turnkey lowkey " +
	"latchkey crikey flunkey malarkey okey starkey berkey lockey searchkey keyword keywords " +
	"encode decode unicode geocode transcode recode hardcode barcode bytecode opcode microcode shortcode keycode " +
	"otpravka otpravitel passthrough compass encompass gyrocompass bypass surpass trespass overpass underpass bandpass lowpass highpass " +
	"secretary secretariat secretarial undersecretary secretion tokenize tokenizer tokenization tokenise tokeniser detokenize " +
	"obsession possession repossession forbearer haslogo haslocation haslocal haslogin haslog haslong " +
	"annonce anonce prononce renonce denonce cookiecutter cookieless passwidth statecode"

// about are words of names that tell something about a secret: "token_type",
// "password_expires_at".
const about = "type types method length size count total max min expires expire expired expiry expiration ttl timeout lifetime enabled " +
	"disabled required policy strength algorithm alg format status limit at age days hours minutes rotation changed updated created issued " +
	"date name names label title description rate used per style review banner consent notice"

// identifies are the last words of names under which a number or a UUID is
// expected: "ticket_id".
const identifies = "id ids uuid guid no nr num number ref"

// secretHeaders are headers whose values are secrets though their names don't
// say so. (Those whose names do are never recorded.)
var secretHeaders = []string{"Dpop", "X-Amzn-Oidc-Data", "X-Ms-Client-Principal"}

// links are segments of paths behind which stands what was sent by mail:
// "/verify/…", "/reset-password/…". A long random segment behind one of them,
// or behind a secret's name, is left out.
const links = "reset verify verification confirm confirmation activate activation invite invitation accept magic magiclink unsubscribe " +
	"recover recovery unlock claim join login signin sso callback share shared download webhook webhooks hook hooks"

// mailed are those of links behind which a UUID is what was sent, not which
// thing is meant.
const mailed = "reset passwordreset resetpassword verify verification verifyemail confirm confirmation activate activation magic magiclink magiclogin " +
	"unsubscribe recover recovery unlock invite invitation acceptinvite"

// codes are segments of paths behind which a number is a secret.
const codes = "otp totp hotp 2fa mfa tfa tan pin pincode passcode password passwd pwd smscode verificationcode logincode onetimecode"
