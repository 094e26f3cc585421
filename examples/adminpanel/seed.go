package main

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"time"
)

// firstClient is the number of the first made-up client.
const firstClient = 7600

// madeUpClients returns the same people every time, who signed up over the
// two years before now.
func madeUpClients(now time.Time) []client {
	random := rand.New(rand.NewPCG(7, 31))
	people := []struct{ name, company, city, country string }{
		{"Maria Nowak", "Nowak Interiors", "Kraków", "PL"},
		{"Jan Wiśniewski", "", "Gdańsk", "PL"},
		{"Ewa Zielińska", "Zielona Apteka", "Poznań", "PL"},
		{"Piotr Kamiński", "Kamiński Logistics", "Wrocław", "PL"},
		{"Agnieszka Lewandowska", "", "Warszawa", "PL"},
		{"Tomasz Dąbrowski", "Dąbrowski & Syn", "Łódź", "PL"},
		{"Hannah Fischer", "Fischer Fotografie", "Hamburg", "DE"},
		{"Lukas Weber", "Weberwerk GmbH", "Leipzig", "DE"},
		{"Sophie Krämer", "", "Köln", "DE"},
		{"Jonas Schäfer", "Schäfer IT", "München", "DE"},
		{"Clara Neumann", "Neumann Verlag", "Berlin", "DE"},
		{"Camille Laurent", "Atelier Laurent", "Lyon", "FR"},
		{"Hugo Moreau", "", "Nantes", "FR"},
		{"Léa Dubois", "Boulangerie Dubois", "Lille", "FR"},
		{"Marco Ricci", "Ricci Vini", "Verona", "IT"},
		{"Giulia Conti", "", "Bologna", "IT"},
		{"Lucía Fernández", "Fernández Turismo", "Sevilla", "ES"},
		{"Javier Ortega", "Ortega Motor", "Valencia", "ES"},
		{"Sanne de Vries", "De Vries Fietsen", "Utrecht", "NL"},
		{"Daan Bakker", "", "Rotterdam", "NL"},
		{"Emil Lindqvist", "Lindqvist Design", "Malmö", "SE"},
		{"Astrid Holm", "Holm Arkitekter", "Aarhus", "DK"},
		{"Ingrid Berg", "", "Bergen", "NO"},
		{"Mikko Virtanen", "Virtanen Oy", "Tampere", "FI"},
		{"Petr Svoboda", "Svoboda Tisk", "Brno", "CZ"},
		{"Zuzana Horváthová", "", "Košice", "SK"},
		{"Bence Kovács", "Kovács Kert", "Szeged", "HU"},
		{"Ioana Popescu", "Popescu Media", "Cluj-Napoca", "RO"},
		{"Olena Shevchenko", "Shevchenko Studio", "Lviv", "UA"},
		{"Andrius Petrauskas", "", "Kaunas", "LT"},
		{"Niamh Byrne", "Byrne & Daughters", "Galway", "IE"},
		{"Oliver Wright", "Wright Bikes", "Bristol", "GB"},
		{"Amelia Clarke", "", "Leeds", "GB"},
		{"Callum Fraser", "Fraser Distillery", "Inverness", "GB"},
		{"Rita Almeida", "Almeida Cerâmica", "Porto", "PT"},
		{"Yannis Papadakis", "Papadakis Olive Oil", "Heraklion", "GR"},
		{"Noah Tremblay", "Tremblay Outdoors", "Québec", "CA"},
		{"Emily Carter", "Carter Legal", "Portland", "US"},
		{"Diego Martins", "", "Curitiba", "BR"},
		{"Yuki Tanaka", "Tanaka Stationery", "Kyoto", "JP"},
	}
	const count = 132
	made := make([]client, 0, count)
	for i := range count {
		p := people[i%len(people)]
		if i >= len(people) { // the same families again, under other names
			first, _, _ := strings.Cut(people[random.IntN(len(people))].name, " ")
			_, last, _ := strings.Cut(p.name, " ")
			p.name, p.company = first+" "+last, ""
		}
		bought := plans[min(random.IntN(len(plans)), random.IntN(len(plans)))]
		created := now.Add(-time.Duration(count-i)*132*time.Hour - time.Duration(random.IntN(120))*time.Hour).
			UTC().Truncate(time.Second)
		one := client{
			ID: firstClient + i, Name: p.name, Company: p.company,
			Email: mailbox(p.name), Phone: fmt.Sprintf("+%d %03d %03d %03d", 30+random.IntN(20), random.IntN(1000), random.IntN(1000), random.IntN(1000)),
			City: p.city, Country: p.country,
			Plan: bought.Name, MonthlyCents: bought.MonthlyCents, Status: active,
			CreatedAt: created, UpdatedAt: created,
		}
		switch random.IntN(12) {
		case 0:
			one.Status, one.Notes = suspended, "Two invoices overdue."
		case 1:
			one.Status, one.Notes = closed, "Moved to another provider."
		}
		made = append(made, one)
	}
	return made
}

// mailbox makes an address of a name: "Zuzana Horváthová" reads mail at
// zuzana.horvathova@example.net.
func mailbox(name string) string {
	plain := strings.NewReplacer(
		"ą", "a", "á", "a", "ä", "ae", "ã", "a", "ć", "c", "č", "c", "ę", "e", "é", "e", "è", "e", "í", "i",
		"ł", "l", "ń", "n", "ñ", "n", "ó", "o", "ö", "oe", "ś", "s", "š", "s", "ú", "u", "ü", "ue", "ź", "z", "ż", "z",
		"’", "", "'", "", " ", ".",
	).Replace(strings.ToLower(name))
	return plain + "@example.net"
}
