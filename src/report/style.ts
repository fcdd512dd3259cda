/** Colours are told by word and sign as well, so that nothing depends on seeing them. */
export const STYLE = `
:root { color-scheme: light dark; --ground: #fbfbfa; --card: #fff; --text: #1c2024; --quiet: #60656c; --rule: #e3e4e6; --line: #2563a8; --area: #2563a822; --good: #18794e; --bad: #c62a2f; --event: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --ground: #15181b; --card: #1d2125; --text: #eceef0; --quiet: #a0a7af; --rule: #31373d; --line: #6cb2ff; --area: #6cb2ff2b; --good: #5cc98f; --bad: #ff8b8b; --event: #e2b04a; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 1080px; background: var(--ground); color: var(--text); font: 15px/1.5 system-ui, -apple-system, "Segoe UI", sans-serif; }
h1 { margin: 0; font-size: 1.9rem; letter-spacing: -.01em; }
h2 { margin: 2.4rem 0 .6rem; font-size: 1.2rem; }
h3 { margin: 1.4rem 0 .2rem; font-size: 1rem; }
header p, footer, .none, figcaption, .fact span { color: var(--quiet); }
header p { margin: .2rem 0 1.4rem; }
footer { margin-top: 3rem; font-size: .85rem; }
p { margin: .3rem 0 .7rem; }
code { font: .87em ui-monospace, "SF Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.error { padding: .6rem .9rem; border-left: 3px solid var(--bad); background: var(--card); }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(300px, 1fr)); gap: .8rem; }
.fact { display: flex; flex-direction: column; padding: .8rem 1rem; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); }
.fact b { font-weight: 500; font-size: .85rem; color: var(--quiet); }
.fact strong { font-size: 1.45rem; font-weight: 600; line-height: 1.3; font-variant-numeric: tabular-nums; }
.fact span { font-size: .85rem; }
.fact.good strong, .good { color: var(--good); }
.fact.bad strong, .bad { color: var(--bad); }
figure { margin: 0 0 .8rem; padding: .7rem .9rem .4rem; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); }
figcaption { font-size: .85rem; margin-bottom: .3rem; }
.peak { float: right; }
svg { display: block; width: 100%; height: auto; }
svg text { font: 11px system-ui, sans-serif; fill: var(--quiet); font-variant-numeric: tabular-nums; }
svg .grid { stroke: var(--rule); }
svg .area { fill: var(--area); }
svg .line { fill: none; stroke: var(--line); stroke-width: 1.4; stroke-linejoin: round; }
svg .bar { fill: var(--line); opacity: .75; }
svg .joined { stroke: var(--text); stroke-width: 1.6; }
svg .event line { stroke: var(--event); stroke-dasharray: 3 3; }
svg .event text { fill: var(--event); }
div.grid { overflow-x: auto; border: 1px solid var(--rule); border-radius: 8px; background: var(--card); margin-bottom: .8rem; }
table { width: 100%; border-collapse: collapse; font-size: .87rem; font-variant-numeric: tabular-nums; }
th, td { padding: .35rem .7rem; text-align: left; vertical-align: top; border-bottom: 1px solid var(--rule); white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
th { font-weight: 500; color: var(--quiet); }
.number { text-align: right; }
.evidence { white-space: normal; overflow-wrap: anywhere; color: var(--quiet); }
td:has(.evidence) { min-width: 20rem; white-space: normal; }
.step-bar { display: block; width: 16rem; height: .55rem; margin-top: .45rem; }
.step-bar i { display: block; height: 100%; min-width: 1px; border-radius: 2px; background: var(--line); opacity: .75; }
@media print { body { max-width: none; padding: 0; } figure, .fact, tr { break-inside: avoid; } }
`;
