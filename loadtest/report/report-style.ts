/** The style sheet of the HTML report: light and dark by the reader's own choice, nothing loaded from elsewhere. */
export const REPORT_STYLE = `
:root { color-scheme: light dark; --bg: #f6f7f9; --card: #ffffff; --ink: #16191f; --soft: #5d6675; --rule: #e3e6eb; --band: #eef2fb;
	--good: #12804a; --bad: #c02b3a; --warn: #9a6100; --line-1: #2563c9; --line-2: #d9730d; --line-3: #12804a; --line-4: #a13bb5; --line-5: #0b8c9e; --line-6: #b3384b; }
@media (prefers-color-scheme: dark) { :root { --bg: #111318; --card: #1a1d24; --ink: #e8eaee; --soft: #9aa3b2; --rule: #2b303a; --band: #20283a;
	--good: #4cc38a; --bad: #ff6b78; --warn: #f0b04a; --line-1: #6ea3ff; --line-2: #f5a35c; --line-3: #4cc38a; --line-4: #d38be4; --line-5: #4fc7d8; --line-6: #ff8a97; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--bg); color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
main { max-width: 1180px; margin: 0 auto; padding: 32px 20px 64px; }
h1 { font-size: 26px; line-height: 1.2; margin: 0 0 4px; } h2 { font-size: 18px; margin: 36px 0 12px; }
.soft, small { color: var(--soft); font-weight: 400; }
.verdict { display: inline-block; margin: 16px 0 0; padding: 6px 14px; border-radius: 6px; font-weight: 650; border: 1.5px solid currentColor; }
.kept { color: var(--good); } .not-kept { color: var(--bad); } .invalid { color: var(--warn); }
ul.reasons { margin: 10px 0 0; padding-left: 20px; color: var(--warn); }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(180px, 1fr)); gap: 12px; margin-top: 24px; }
.tile { background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; }
.tile b { display: block; font-size: 25px; line-height: 1.25; font-weight: 650; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 500px), 1fr)); gap: 16px; }
figure { margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px 8px; }
figcaption { font-weight: 600; } svg { display: block; width: 100%; height: auto; margin-top: 6px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 16px; min-height: 22px; color: var(--soft); font-size: 13px; }
.swatch { display: inline-block; width: 16px; height: 0; border-top: 2.5px solid var(--c); vertical-align: middle; margin-right: 6px; } .swatch.dashed { border-top-style: dashed; }
.grid { stroke: var(--rule); } .tick { fill: var(--soft); font-size: 12px; } .band { fill: var(--band); } .line { fill: none; stroke-width: 2; stroke-linejoin: round; }
.scroll { overflow-x: auto; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; } th, td { padding: 7px 14px; text-align: right; white-space: nowrap; border-top: 1px solid var(--rule); }
th { color: var(--soft); font-weight: 500; font-size: 13px; border-top: 0; } th:first-child, td:first-child { text-align: left; } td.text { text-align: left; white-space: normal; }
dl { columns: 320px; column-gap: 40px; margin: 0; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 12px 16px; }
dl div { display: flex; justify-content: space-between; gap: 12px; break-inside: avoid; padding: 3px 0; } dt { color: var(--soft); overflow-wrap: anywhere; } dd { margin: 0; font-variant-numeric: tabular-nums; }
pre { white-space: pre-wrap; background: var(--card); border: 1px solid var(--rule); border-radius: 10px; padding: 14px 16px; margin: 0; font-size: 13px; }
`;
