package redact

// charset names the characters of a token behind its prefix.
type charset uint8

const (
	alnum   charset = iota // letters and digits
	word                   // and _ -
	base64s                // and + / = . ~
	upper                  // capitals and digits
	hexed                  // 0-9 a-f A-F
	visible                // anything but blanks, quotes, brackets and ; &
)

// shape is a kind of token that is known by its look. A prefix shorter than
// five characters, or of letters and digits alone, counts only where a word
// begins.
type shape struct {
	kind     string
	prefixes string
	then     charset
	min      int  // how many such characters there are at least behind the prefix
	random   bool // what is behind the prefix must look made by a machine: the prefix alone is too common
}

// shapes is the table of tokens that are known by their look, in the manner of
// secret scanners. Shapes that take more than a prefix to tell (JSON web
// tokens, cards, PEM, user-info, schemes of Authorization) are in scan.go.
var shapes = []shape{
	{kind: "GitHub", then: word, min: 6, prefixes: "ghp_ gho_ ghu_ ghs_ ghr_ github_pat_"},
	{kind: "GitLab", then: base64s, min: 6, prefixes: "glpat- gldt- glrt- glrtr- glcbt- glptt- glft- glimt- glagent- glsoat- glffct- gloas- glwt- GR1348941"},
	{kind: "Atlassian", then: base64s, min: 16, prefixes: "ATBB ATATT3x ATCTT3x ATTA"},
	{kind: "Stripe", then: word, min: 6, prefixes: "sk_live_ sk_test_ rk_live_ rk_test_ ek_live_ ek_test_ sk_org_ whsec_ _client_secret_"},
	{kind: "payment", then: base64s, min: 8, prefixes: "rzp_live_ rzp_test_ sq0atp- sq0csp- access-sandbox- access-production- access-development- FLWSECK- FLWSECK_TEST- " +
		"shippo_live_ shippo_test_ access_token$production$ access_token$sandbox$ duffel_live_ duffel_test_ lob_live_ EZAK EZTK"},
	{kind: "Square, Facebook, Instagram", then: base64s, min: 20, random: true, prefixes: "EAAA EAAB EAAC EAAG EAAM EAACEdEose0cBA IGQV IGQW"},
	{kind: "AWS", then: upper, min: 12, prefixes: "AKIA ASIA"},
	{kind: "AWS", then: upper, min: 12, random: true, prefixes: "AGPA AROA AIPA ANPA ANVA ABIA ACCA AIDA"},
	{kind: "AWS", then: visible, prefixes: "AWS4-HMAC-SHA256 aws4-hmac-sha256"},
	{kind: "Google", then: base64s, min: 10, prefixes: "AIza ya29. GOCSPX- 1//0"},
	{kind: "Slack", then: base64s, min: 6, prefixes: "xoxb- xoxp- xoxa- xoxr- xoxs- xoxo- xoxc- xoxd- xoxe- xoxe. xapp- xwfp-"},
	{kind: "webhook", then: base64s, min: 6, prefixes: "hooks.slack.com/services/ hooks.slack.com/workflows/ hooks.slack.com/triggers/ discord.com/api/webhooks/ " +
		"discordapp.com/api/webhooks/ hooks.zapier.com/hooks/catch/ webhook.office.com/webhookb2/ outlook.office.com/webhook/ open.feishu.cn/open-apis/bot/"},
	{kind: "AI", then: word, min: 10, prefixes: "sk-ant- sk-proj- sk-or- sk-svcacct- sk-admin- sk-lf- gsk_ xai- pplx- api_org_ tvly- nvapi- lsv2_"},
	{kind: "AI", then: word, min: 20, random: true, prefixes: "sk- hf_ r8_ fw_"},
	{kind: "mail and messages", then: base64s, min: 16, prefixes: "SG. xkeysib- xsmtpsib- mlsn."},
	{kind: "mail and messages", then: base64s, min: 16, random: true, prefixes: "re_ postmark-"},
	{kind: "Mailgun, Twilio", then: hexed, min: 32, prefixes: "key- SK dapi"},
	{kind: "packages", then: word, min: 12, prefixes: "npm_ pypi-Ag rubygems_ dckr_pat_ dckr_oat_"},
	{kind: "packages", then: word, min: 30, random: true, prefixes: "pypi- oy2 cio nuget_ crates_"},
	{kind: "hosting", then: base64s, min: 10, prefixes: "dop_v1_ doo_v1_ dor_v1_ HRKU- FlyV1 fm1_ fm2_ fo1_ pscale_tkn_ pscale_pw_ pscale_oauth_ sb_secret_ cfut_ tk-us-"},
	{kind: "hosting", then: base64s, min: 16, random: true, prefixes: "nfp_ nfc_ nfo_ nfu_ nfb_ sbp_ rnd_ vcp_ LTAI AKID"},
	{kind: "infrastructure", then: base64s, min: 10, prefixes: "hvs. hvb. hvr. tskey- dp.pt. dp.st. dp.ct. dp.sa. dp.scim. dp.audit. dt0c01. dt0s01. dt0s16. NRAK- NRJS- NRII- " +
		"glsa_ glc_ sntrys_ sntryu_ PMAK- bkua_ bkaj_ CCIPAT_ CCIPRJ_ AKCp lin_api_ lin_oauth_ rdme_ CFPAT- .atlasv1. sm_aat_ sm_pat_ ops_eyJ"},
	{kind: "infrastructure", then: base64s, min: 16, random: true, prefixes: "pul- phx_ phc_ tfp_ secret_ ntn_ figd_ figo_ ico- sgp_ sgd_ pnu_ fio-u- p8e- t1. y0_ AQVN jfrt@"},
	{kind: "infrastructure", then: alnum, min: 24, random: true, prefixes: "s. b. r. sl."},
	{kind: "packages", then: alnum, min: 30, prefixes: "CLOJARS_"},
	{kind: "sealed session", then: base64s, min: 20, prefixes: "v1.local. v2.local. v3.local. v4.local. v1.public. v2.public. v3.public. v4.public. Fe26.2** Fe26.1**"},
	{kind: "Fernet", then: base64s, min: 60, prefixes: "gAAAAA"},
	{kind: "session of ASP.NET", then: alnum, min: 20, prefixes: "(S( (F( (X("},
	{kind: "Shopify", then: alnum, min: 6, prefixes: "shpat_ shpca_ shppa_ shpss_ shptka_ shprt_"},
	{kind: "age, Nostr, Bitcoin", then: word, min: 10, prefixes: "AGE-SECRET-KEY-1 AGE-PLUGIN- nsec1 xprv9"},
	{kind: "password hash", then: visible, min: 8, prefixes: "$2a$ $2b$ $2x$ $2y$ $argon2 $pbkdf2 $scrypt$ $apr1$ {SSHA {SHA} {MD5} {CRYPT} pbkdf2_sha256$ pbkdf2_sha512$ bcrypt_sha256$"},
	{kind: "password hash", then: visible, min: 16, prefixes: "$1$ $5$ $6$ $7$ $y$ $gy$"},
	{kind: "subprotocol", then: visible, min: 1, prefixes: "base64url.bearer. base64.bearer. bearer.authorization. authorization.bearer."},
	{kind: "signed cookie", then: base64s, min: 30, random: true, prefixes: "s:"},
	{kind: "made like the others", then: word, min: 12, random: true, prefixes: "_live_ _secret_ _pat_ _privkey_ _apikey_ _token_"},
}
