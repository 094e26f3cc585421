package instrumentation

import (
	"reflect"
	"testing"
)

// No language lacks a word.
func TestReasonWords(t *testing.T) {
	for _, l := range reasonLanguages() {
		v := reflect.ValueOf(l)
		for i := range v.NumField() {
			if v.Field(i).String() == "" {
				t.Errorf("%s: %s is empty", l.language, v.Type().Field(i).Name)
			}
		}
	}
}
