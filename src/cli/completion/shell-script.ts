/** What each shell runs when the Tab key is pressed: it asks `pghaul complete` and offers what that prints. */

export const SHELLS = ["bash", "zsh", "fish"] as const;
export type Shell = (typeof SHELLS)[number];

/**
 * bash takes `=` and `:` for the ends of words (COMP_WORDBREAKS), so the words come from the line itself, and what stands before the last
 * break is cut off the answer again. Names with blanks or quotes are escaped as bash reads them.
 */
const BASH = `# pghaul completion for bash. Load it with: source <(pghaul completion bash)
_pghaul() {
  local line="\${COMP_LINE:0:COMP_POINT}" IFS=$'\\n' value broken
  COMPREPLY=()
  broken="\${COMP_WORDS[COMP_CWORD]}"
  case "$broken" in "=" | ":") broken="" ;; esac
  local -a words
  IFS=$' \\t' read -r -a words <<<"$line"
  case "$line" in *[[:space:]]) words+=("") ;; esac
  local current="\${words[\${#words[@]}-1]}"
  local kept="\${current%"$broken"}"
  IFS=$'\\n'
  for value in $("\${words[0]}" complete -- "\${words[@]:1}" 2>/dev/null); do
    value="\${value%%$'\\t'*}"
    COMPREPLY+=("$(printf %q "\${value#"$kept"}")")
  done
}
complete -o default -F _pghaul pghaul
`;

const ZSH = `#compdef pghaul
# pghaul completion for zsh. Load it with: source <(pghaul completion zsh)
_pghaul() {
  local line
  local -a values descriptions
  for line in "\${(@f)$("\${words[1]}" complete -- "\${(@Q)words[2,CURRENT]}" 2>/dev/null)}"; do
    [[ -z "$line" ]] && continue
    values+=("\${line%%$'\\t'*}")
    descriptions+=("\${line/$'\\t'/  -- }")
  done
  if (( \${#values} )); then compadd -l -d descriptions -a values; else _files; fi
}
if [[ "\${funcstack[1]}" == "_pghaul" ]]; then _pghaul "$@"; else (( $+functions[compdef] )) || { autoload -Uz compinit && compinit; }; compdef _pghaul pghaul; fi
`;

const FISH = `# pghaul completion for fish. Load it with: pghaul completion fish | source
function __pghaul_complete
    set -l words (commandline --tokenize --cut-at-cursor --current-process)
    set -l current (commandline --current-token --cut-at-cursor)
    $words[1] complete -- $words[2..-1] "$current" 2>/dev/null
end
complete --command pghaul --no-files --arguments '(__pghaul_complete)'
complete --command pghaul --long-option config --require-parameter --force-files
complete --command pghaul --long-option state-dir --require-parameter --force-files
complete --command pghaul --long-option out --require-parameter --force-files
`;

const SCRIPTS: Readonly<Record<Shell, string>> = { bash: BASH, zsh: ZSH, fish: FISH };

/** The script that \`pghaul completion SHELL\` prints. */
export function shellScript(shell: Shell): string {
  return SCRIPTS[shell];
}
