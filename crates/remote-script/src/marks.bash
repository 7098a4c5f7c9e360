# Read by an interactive bash in place of a login shell's files, which it reads itself. __ecs_exec_nonce is set in front of it.
# It travels as script.sh does: one line, no single quote, ASCII. Bash 4.4 or later. It is no witness: whoever types can undo it.
# fd 9 is the pipe that this text came through.
exec 9<&-;

# Prints a mark. The four bytes after BEL keep the agent from holding back its end.
__ecs_exec_mark() { builtin printf "\033]7337;ecs-exec;%s;%s\007\033[0m" "$__ecs_exec_nonce" "$1"; };

# PS0: the command that is about to run, as the history has it. What the history was not given has a number below the prompt
# that it was typed at, and goes without text. Everything but printable ASCII, and %, is written as %XX; bytes, not characters.
__ecs_exec_command() {
  { local s=$? -; set +aefuvx; } 2>/dev/null;
  local IFS LC_ALL=C t n l o= c;
  t=$(HISTTIMEFORMAT= builtin history 1);
  t=${t#"${t%%[! ]*}"};
  n=${t%%[!0-9]*};
  t=${t:${#n}+2};
  l=${#t};
  [ "${n:-0}" -ge "${__ecs_exec_next:-0}" ] || t= l=;
  t=${t:0:2048};
  while [ "$t" ]; do
    c=${t%%[!\ -\$\&-~]*};
    o=$o$c t=${t:${#c}};
    [ "$t" ] || break;
    builtin printf -v c %d "\"$t";
    builtin printf -v c %%%02x $((c & 255));
    o=$o$c t=${t:1};
  done;
  __ecs_exec_mark "command;$l;$o";
  return $s;
};

# PROMPT_COMMAND, first: the status of what ended. The list around it keeps its status for the next without ending a set -e shell.
__ecs_exec_prompt() {
  { local s=$? -; set +aefuvx; } 2>/dev/null;
  __ecs_exec_next=$HISTCMD;
  __ecs_exec_mark "done;$s" >&2;
  return $s;
};

# An array is addressed by its first element. Exported, the call would fail in every shell below.
__ecs_exec_install() {
  { local -; set +aefuvx; } 2>/dev/null;
  case ${PROMPT_COMMAND@a}${PS0@a} in *r*) __ecs_exec_mark "marking;off"; return;; esac;
  PROMPT_COMMAND="__ecs_exec_prompt && :${PROMPT_COMMAND:+; $PROMPT_COMMAND}";
  PS0="\$(__ecs_exec_command)${PS0-}";
  export -n PROMPT_COMMAND PS0;
  __ecs_exec_mark "marking;on";
};

if [ -r /etc/profile ]; then . /etc/profile || :; fi;
if [ -r ~/.bash_profile ]; then . ~/.bash_profile || :;
elif [ -r ~/.bash_login ]; then . ~/.bash_login || :;
elif [ -r ~/.profile ]; then . ~/.profile || :;
fi;
__ecs_exec_install;
