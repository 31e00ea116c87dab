# shellcheck shell=bash
# SPDX-License-Identifier: GPL-2.0-only
# bash completion of secmemctl(1)

# _secmemctl_list WORD...: the word at the cursor, a list, goes on by one of these.
_secmemctl_list() {
	local before=

	[[ $cur != *,* ]] || before=${cur%,*},
	compopt -o nospace 2>/dev/null
	mapfile -t COMPREPLY < <(compgen -P "$before" -W "$*" -- "${cur##*,}")
}

_secmemctl_protections() {
	secmemctl status 2>/dev/null | sed -n 's/^\([a-z-]*\)  *\(yes\|no\)  .*/\1/p'
}

# Prints the index of the word that is the program for run to start; 0 where the
# cursor stands at an option before that.
_secmemctl_program() {
	local i

	for ((i = 2; i < COMP_CWORD; i++)); do
		case ${COMP_WORDS[i]} in
		--) echo $((i + 1)); return ;;
		--fd | --label | --length | --name | --rights) ((i++)) ;;
		--*) ;;
		-*)
			# A group of letters: if the last one takes an argument,
			# skip that.
			[[ ! ${COMP_WORDS[i]} =~ ^-[^flnNr]*[flnNr]$ ]] || ((i++))
			;;
		*) echo "$i"; return ;;
		esac
	done
	[[ ${COMP_WORDS[COMP_CWORD]} == -* ]] && echo 0 || echo "$i"
}

# Completes that program, or its arguments.
_secmemctl_command() {
	if declare -F _command_offset >/dev/null; then
		_command_offset "$1"
	elif (($1 == COMP_CWORD)); then
		mapfile -t COMPREPLY < <(compgen -c -- "$cur")
	else
		mapfile -t COMPREPLY < <(compgen -f -- "$cur")
	fi
}

_secmemctl() {
	local cur=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]}
	local commands="status check list run stat cat revoke demo"
	local options="--help --version" program

	COMPREPLY=()
	if ((COMP_CWORD == 1)); then
		mapfile -t COMPREPLY < <(compgen -W "$commands $options" -- "$cur")
		return
	fi
	case ${COMP_WORDS[1]} in
	status | list | stat) options+=" --json" ;;
	check) options+=" --require" ;;
	run)
		options+=" --name --fd --label --length --text --confirm"
		options+=" --rights --suspend-wipe"
		;;
	demo) options+=" --color --user" ;;
	esac
	case ${COMP_WORDS[1]}$before in
	check-r | check--require)
		# shellcheck disable=SC2046 # words
		_secmemctl_list $(_secmemctl_protections)
		return
		;;
	run-r | run--rights)
		_secmemctl_list read write map compare seal close revoke export
		return
		;;
	run-N | run--name) mapfile -t COMPREPLY < <(compgen -v -- "$cur"); return ;;
	run-[fln] | run--fd | run--label | run--length) return ;;
	demo-u | demo--user) mapfile -t COMPREPLY < <(compgen -u -- "$cur"); return ;;
	esac
	if [[ ${COMP_WORDS[1]} == run ]]; then
		program=$(_secmemctl_program)
		if ((program && program <= COMP_CWORD)); then
			_secmemctl_command "$program"
			return
		fi
	fi
	if [[ $cur == -* ]]; then
		mapfile -t COMPREPLY < <(compgen -W "$options" -- "$cur")
		return
	fi
	case ${COMP_WORDS[1]} in
	stat | cat) mapfile -t COMPREPLY < <(compgen -e -- "$cur") ;;
	demo) mapfile -t COMPREPLY < <(compgen -f -- "$cur") ;;
	revoke)
		mapfile -t COMPREPLY < <(compgen -W "$(secmemctl list 2>/dev/null |
			sed -n 's/^ *\([0-9][0-9]*\)  .*/\1/p')" -- "$cur")
		;;
	esac
}

complete -F _secmemctl secmemctl
