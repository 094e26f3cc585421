package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/alecthomas/kong"
)

type completionCommand struct {
	Shell string `arg:"" enum:"bash,zsh,fish" help:"The shell: ${enum}."`
}

// scripts ask the program itself what may come next; it knows its own version.
var scripts = map[string]string{
	"bash": `_adminsessions() {
	local IFS=$'\n' candidates
	candidates=$(adminsessions complete -- "${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
	if [[ $candidates == :files ]]; then
		compopt -o default
		COMPREPLY=()
		return
	fi
	COMPREPLY=($(cut -f1 <<<"$candidates"))
}
complete -F _adminsessions adminsessions
`,
	"zsh": `#compdef adminsessions
_adminsessions() {
	local -a candidates lines
	lines=("${(@f)$(adminsessions complete -- "${(@)words[2,CURRENT]}" 2>/dev/null)}")
	if [[ $lines[1] == :files ]]; then
		_files
		return
	fi
	candidates=("${(@)${(@)lines//:/\\:}//$'\t'/:}")
	_describe adminsessions candidates
}
compdef _adminsessions adminsessions
`,
	"fish": `function __adminsessions_complete
	set -l words (commandline -opc) (commandline -ct)
	set -l candidates (adminsessions complete -- $words[2..-1] 2>/dev/null)
	if test "$candidates[1]" = :files
		__fish_complete_path (commandline -ct)
		return
	end
	printf '%s\n' $candidates
end
complete -c adminsessions -f -a '(__adminsessions_complete)'
`,
}

// Run prints the script.
func (c *completionCommand) Run(w *World) error {
	_, err := fmt.Fprint(w.Stdout, scripts[c.Shell])
	return err
}

type completeCommand struct {
	Words []string `arg:"" optional:"" passthrough:"" help:"The words so far; the last one is to be completed."`
}

// files is what a shell is told to complete by itself.
const files = ":files"

// Run prints what the last word can be, a word and its meaning a line.
func (c *completeCommand) Run(w *World, k *kong.Context) error {
	words := c.Words
	if len(words) > 0 && words[0] == "--" {
		words = words[1:]
	}
	for _, line := range candidates(k.Model.Node, words) {
		if _, err := fmt.Fprintln(w.Stdout, line); err != nil {
			return err
		}
	}
	return nil
}

// candidates are what the last of some words can be.
func candidates(node *kong.Node, words []string) (lines []string) {
	last := ""
	if len(words) > 0 {
		last, words = words[len(words)-1], words[:len(words)-1]
	}
	var pending *kong.Flag // a flag whose value comes next
	given := 0             // positional arguments
	for _, word := range words {
		switch {
		case pending != nil && word == "=": // bash takes --flag=value for three words
		case pending != nil:
			pending = nil
		case strings.HasPrefix(word, "-"):
			if f := flagOf(node, word); f != nil && !f.IsBool() && !strings.Contains(word, "=") {
				pending = f
			}
		default:
			if child := childOf(node, word); child != nil {
				node = child
			} else {
				given++
			}
		}
	}
	if pending != nil && last == "=" {
		last = ""
	}
	add := func(word, help string) {
		if strings.HasPrefix(word, last) {
			lines = append(lines, word+"\t"+firstSentence(help))
		}
	}
	name, _, assigned := strings.Cut(last, "=")
	switch {
	case pending != nil:
		return valuesOf(pending.Value, "", add, &lines)
	case strings.HasPrefix(last, "--") && assigned:
		if f := flagOf(node, name); f != nil {
			return valuesOf(f.Value, name+"=", add, &lines)
		}
		return nil
	case strings.HasPrefix(last, "-"):
		for n := node; n != nil; n = n.Parent {
			for _, f := range n.Flags {
				if !f.Hidden {
					add("--"+f.Name, f.Help)
				}
			}
		}
		slices.Sort(lines)
		return lines
	}
	for _, child := range node.Children {
		if !child.Hidden {
			add(child.Name, child.Help)
		}
	}
	if len(node.Children) == 0 && len(node.Positional) > 0 {
		return valuesOf(node.Positional[min(given, len(node.Positional)-1)], "", add, &lines)
	}
	return lines
}

// valuesOf adds the values that a flag or an argument can have.
func valuesOf(v *kong.Value, prefix string, add func(word, help string), lines *[]string) []string {
	switch {
	case v.Enum != "":
		for _, value := range v.EnumSlice() {
			add(prefix+value, "")
		}
		return *lines
	case v.Tag.Type == "path" || v.Tag.PlaceHolder == "FILE" || v.Tag.PlaceHolder == "DIR":
		return []string{files}
	}
	return nil
}

// flagOf finds a flag as it is written.
func flagOf(node *kong.Node, word string) *kong.Flag {
	name, _, _ := strings.Cut(word, "=")
	for n := node; n != nil; n = n.Parent {
		for _, f := range n.Flags {
			if name == "--"+f.Name || f.Short != 0 && name == "-"+string(f.Short) {
				return f
			}
		}
	}
	return nil
}

func childOf(node *kong.Node, name string) *kong.Node {
	for _, child := range node.Children {
		if child.Name == name {
			return child
		}
	}
	return nil
}

// firstSentence is the beginning of a help text, for where there is little room.
func firstSentence(help string) string {
	sentence, _, _ := strings.Cut(help, ". ")
	return strings.TrimSuffix(sentence, ".")
}
