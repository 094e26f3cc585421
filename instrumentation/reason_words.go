package instrumentation

// reasonWords are the words of the page that asks for a reason.
type reasonWords struct {
	language  string
	title     string
	nothing   string // has been done
	why       string // label of the field
	again     string // behind the name of a password's field
	proceed   string // the button
	elsewhere string // another site has led here
	unsent    string // the form can't be sent again
	by        string // how else to say why, between field and header
	request   string
}

// reasonLanguages are those of the viewer; the first is the default.
func reasonLanguages() []reasonWords {
	return []reasonWords{
		{
			language:  "en",
			title:     "A reason is required",
			nothing:   "Nothing has been done yet. What you asked for is done once you say why, and your reason goes on record with it.",
			why:       "Why is this done?",
			again:     "again",
			proceed:   "Continue",
			elsewhere: "You were led here from outside this site, so it can't be continued from here. If you did not mean to do this, close this page: nothing has been done. If you did, begin again on a page of this site.",
			unsent:    "It can't be sent again from here: it holds a file, is too long, or is no form. Go back, and say why there.",
			by:        "A form says why in the field %s, a program in the header %s.",
			request:   "Request",
		},
		{
			language:  "pl",
			title:     "Wymagane jest uzasadnienie",
			nothing:   "Nic jeszcze nie zostało wykonane. Operacja zostanie wykonana, gdy podasz jej powód, który zostanie zapisany razem z nią.",
			why:       "Dlaczego jest to robione?",
			again:     "ponownie",
			proceed:   "Kontynuuj",
			elsewhere: "Trafiono tutaj spoza tej witryny, więc nie można stąd kontynuować. Jeśli nie było to zamierzone, zamknij tę stronę: nic nie zostało wykonane. Jeśli było, zacznij od nowa na stronie tej witryny.",
			unsent:    "Nie można tego stąd wysłać ponownie: formularz zawiera plik, jest za długi albo nie jest to formularz. Wróć i podaj powód tam.",
			by:        "Formularz podaje powód w polu %s, program w nagłówku %s.",
			request:   "Żądanie",
		},
	}
}
