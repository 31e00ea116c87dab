#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
#
# guest.sh always|never: the part of the demo that runs in the VM, as root. A
# line "@verify KEY SIGNATURE MESSAGE|TEXT" asks the host to print TEXT and
# openssl's verdict.
set -eu

color=$1
keys=/opt/keys
message="release 1.0 of secmem"
failed=0
bold='' end=''
if [ "$color" = always ]; then
	bold=$(printf '\033[1m') end=$(printf '\033[0m')
fi

die() {
	echo "guest: $*" >&2
	exit 1
}

heading() {
	echo
	echo "$bold$1$end$2"
}

# answer NAME [TEXT]: prints what a service says until it has done what it was
# told.
answer() {
	# shellcheck disable=SC3045 # this sh is busybox
	while read -r -t 60 line <"/tmp/$1.out"; do
		case $line in
		ok*)
			said=${line#ok } # the first time, a process number
			return
			;;
		failed*) die "the service with $1: $line" ;;
		signature*) echo "@verify $1 ${line#* } $message|$2" ;;
		*) echo "  $line" ;;
		esac
	done
	die "the service with $1 says nothing"
}

# service NAME: starts a service that holds the key NAME in the way that the
# name says. The key then stands nowhere else: its file, which is in memory
# here, is overwritten.
service() {
	chown service "$keys/$1.der"
	chmod 400 "$keys/$1.der"
	mkfifo "/tmp/$1.in" "/tmp/$1.out"
	su service -s /bin/sh -c "exec signer ${1%2} $keys/$1.der" \
		<>"/tmp/$1.in" 1<>"/tmp/$1.out" &
	answer "$1"
	eval "pid_$1=$said"
	dd if=/dev/zero of="$keys/$1.der" bs=48 count=1 conv=notrunc 2>/dev/null
}

# order NAME ORDER [TEXT]
order() {
	echo "$2" >"/tmp/$1.in"
	answer "$1" "${3-}"
}

# dump NAME: has the host count the copies of each service's key, into $counts.
dump() {
	echo "dump $1" >&3
	read -r ok counts <&3
	[ "$ok" = ok ] || die "no dump: $ok $counts"
}

# row TEXT PROMISE MALLOC MPROTECT SECMEM...: prints a row. SECMEM has to be
# PROMISE; MALLOC, 1 or more, shows that the count finds copies.
row() {
	mark=''
	if [ "$5" != "$2" ] || [ "$3" -lt 1 ]; then
		mark=' !'
		failed=1
	fi
	printf '  %-52s%-12s%-12s%s\n' "$1" "$3" "$4" "$5$mark"
}

exec 3<>/dev/virtio-ports/host

heading "1. Sign." " A service, not root, reads the Ed25519 key that openssl made for it, and signs."
for name in malloc mprotect secmem malloc2 mprotect2 secmem2; do
	service "$name"
done
order malloc "sign $message" "malloc:   read into a buffer"
order mprotect "sign $message" "mprotect: read into libsodium's guarded memory"
order secmem "sign $message" "secmem:   read into the open secret, signed there"

heading "2. Steal." " Every attack is carried out, each on a service of its own. What the thief gets:"
chown service "$keys/table.der"
chmod 400 "$keys/table.der"
secmemctl demo --color="$color" --user service "$keys/table.der" || failed=1

heading "3. Close" " the key while a reader is inside."
dump held
held=$counts
order secmem "close-held $message" "the reader still signs"

heading "4. Count" " the copies of each key in a dump of all memory, taken by the host."
order malloc close
order mprotect close
# shellcheck disable=SC2154 # by eval
kill -9 "$pid_malloc2" "$pid_mprotect2" "$pid_secmem2"
wait "$pid_malloc2" "$pid_mprotect2" "$pid_secmem2" 2>/dev/null || true
dump after
printf '  %-52s%-12s%-12s%s\n' '' malloc mprotect secmem
# shellcheck disable=SC2086 # numbers
{
	row "held, between two signatures" 1 $held
	row "given back: free, sodium_free, secmem_close" 0 $counts
	set -- $counts
	row "another service's, killed by kill -9" 0 "$4" "$5" "$6"
}
exit "$failed"
