# The remote script. Parameters: NONCE MODE USER [PROGRAM [ARGUMENT...]].
# It travels as one line: comment lines go, the others are trimmed and joined with a blank,
# so every statement ends in a semicolon. It holds no single quote and only ASCII.
# fd 3 is the terminal for output, 4 for input. Names begin with _ to stay clear of the caller's environment.
_n=$1 _m=$2 _u=$3;
shift 3;
trap : INT QUIT;
exec 3>&1 4<&0 2>/dev/null;

# Prints a mark. The four bytes after BEL keep the agent from holding back the mark's end.
_k() { printf "\033]7337;ecs-exec;%s;%s\007\033[0m" "$_n" "$1" >&3; };

# After each of the seconds in $1 and a write to the terminal (which waits while the agent is paused), runs the rest;
# without a sleep never. Ending it with USR1 leaves neither an orphan nor a zombie. Why USR1: a child that was just forked still has its
# parent's handlers and loses a signal that they take, and mksh takes TERM always. The sleep's -9 is for the same reason.
_a() {
  (
    trap "kill -9 \$!; wait; exit" USR1;
    for _j in $1; do sleep $_j & wait $! || exit; echo >&3; done;
    shift;
    "$@"
  ) </dev/null >/dev/null &
};

# Waits for the client's confirmation on stdin.
_w() { while IFS= read -r _l; do [ "$_l" = "$_n" ] && return; done; return 1; };

# The end: mark, confirmation, mark, exit. mksh would not leave its read for a trap, so there the watchdog just kills.
# Where a killed shell left the terminal to a dead process group, only a process of another session may read it.
_z() {
  trap "" TTOU;
  [ $_m = base64 ] || stty raw -echo <&4;
  _k "exit;$_r";
  _a 15 kill -USR1 $$;
  _t=$!;
  [ "$KSH_VERSION" ] || trap "exit ${_r%%;*}" USR1;
  if { [ $# -gt 0 ] && _w <&9; } || _w <&4 || {
    trap - USR1;
    setsid sh -c "while IFS= read -r l; do [ \"\$l\" = \"\$0\" ] && exit; done; exit 1" "$_n" <&4;
  }; then _k "confirmed;"; else sleep 5; fi;
  kill -USR1 $_t;
  wait $_t;
  exit ${_r%%;*};
};

# Pipes: batches of base64 lines from the terminal to bytes, until end of file or the confirmation.
_i() {
  while IFS= read -r _l; do
    case $_l in
      "$_n") printf "\n\n%s\n" "$_n"; return;;
      [1-9]*) dd bs=4096 "count=$_l" | base64 -d;;
    esac;
  done;
};

# Pipes: bytes from stdin to lines tagged $1. Who may be left waiting for bytes must not hold the terminal open. The last dd makes one write of a line, so that lines never tear.
_o() {
  while _l=$(exec 3>&- 4<&-; dd bs=16384 count=1 | base64) && [ "$_l" ]; do
    { printf %s $1 $_l; echo; } | dd ibs=8192 obs=65536 >&3;
  done;
};

# Refuses to run the program: reason, text.
_f() {
  _r="126;$1";
  case $_m in
    base64) echo "ecs-exec: $2" | _o E;;
    *) printf "ecs-exec: %s\r\n" "$2";;
  esac;
  _z;
};

_x=;
if [ $_m != terminal ]; then
  stty -echo -isig -iexten -ixon -icrnl -inlcr -igncr -opost icanon erase undef kill undef || _x=,stty;
fi;
if [ $_m = base64 ]; then
  for _t in base64 dd sleep; do command -v $_t >/dev/null || _x=$_x,$_t; done;
  [ -e /proc/self/fd/0 ] || _x=$_x,/proc;
fi;
_k "ready;v1;${_x#,}";
[ "$_x" ] && _f missing-tool "the container lacks ${_x#,}";

# Who is USER, and who are we?
while IFS= read -r _l || [ "$_l" ]; do
  case $_l in "$_u":*) break;; esac;
  _l=;
done </etc/passwd;
[ "$_l" ] || _l=$(getent passwd "$_u");
[ "$_l" ] || _f unknown-user "no user $_u in this container";
_p() { IFS=:; set -f; set -- $1; set +f; unset IFS; _d=$3 _g=$4 _h=$6 _c=$7; };
_p "$_l";
while read -r _j _l _t; do [ "$_j" = Uid: ] && break; done </proc/self/status;
[ -x "$_c" ] || _c=/bin/sh;
export HOME="$_h" USER="$_u" LOGNAME="$_u" SHELL="$_c";
if [ $# = 0 ]; then
  set -- sh -c "cd; case \$SHELL in */sh|*/dash) \"\$SHELL\" -lc : </dev/null >/dev/null 2>&1 || exec \"\$SHELL\";; esac; exec \"\$SHELL\" -l";
fi;
_q() { "$@" </dev/null >/dev/null; };
if [ "$_l" != "$_d" ]; then
  if _q runuser -u "$_u" -- true; then
    set -- runuser -u "$_u" -- "$@";
  elif _q su -s /bin/sh -- "$_u" -c true; then
    set -- su -s /bin/sh -- "$_u" -c "export HOME=\"\$1\" SHELL=\"\$2\"; shift 2; exec \"\$@\"" sh "$_h" "$_c" "$@";
  elif _q setpriv --reuid "$_d" --regid "$_g" --init-groups true; then
    set -- setpriv --reuid "$_d" --regid "$_g" --init-groups "$@";
  elif _q su-exec "$_u" true; then
    set -- su-exec "$_u" "$@";
  elif _q gosu "$_u" true; then
    set -- gosu "$_u" "$@";
  else
    _f no-user-tool "cannot become $_u: none of runuser, su, setpriv, su-exec and gosu works";
  fi;
fi;

# mksh would run a builtin of that name.
[ "$KSH_VERSION" ] && set -- env "$@";

if [ $_m != base64 ]; then
  # The agent reads the mark only a second after our start, and the size is the answer to it.
  if [ $_m = terminal ]; then
    for _j in 0.005 0.02 0.02 0.02 0.02 0.02 0.02 0.02 0.02 0.02; do
      for _t in 1 2 3 4 5 6 7 8 9 10; do
        _l=$(stty size) || break 2;
        case $_l in [1-9]*) break 2;; esac;
        sleep $_j || break 2;
      done;
    done;
  fi;
  ( exec "$@" 2>&3 3>&- 4<&- );
  _r=$?;
  _z;
fi;

# Pipes. Opening the read end through /proc gives the write end: anonymous pipes without a writable folder.
# Redirections go through exec: shells keep copies of what others close, and a copy of a write end is no end of file.
# A background process that holds the output open is waited for through three writes a second apart.
_i | {
  exec 9<&0;
  : | {
    exec 6<&0;
    : | {
      exec 8<&0 5>/proc/self/fd/6 7>/proc/self/fd/8;
      { exec <&6 5>&- 6<&- 7>&- 8<&- 9<&-; _o O; } & _p=$!;
      { exec <&8 5>&- 6<&- 7>&- 8<&- 9<&-; _o E; } & _q=$!;
      ( exec "$@" <&9 >&5 2>&7 3>&- 4<&- 5>&- 6<&- 7>&- 8<&- 9<&- );
      _r=$?;
      exec 5>&- 6<&- 7>&- 8<&-;
      _a "1 1 1" kill -9 $_p $_q;
      _t=$!;
      wait $_p;
      wait $_q;
      kill -USR1 $_t;
      wait $_t;
      _z 9;
    };
  };
};
exit $?
