"""Names that a stranger may give to a run, a class, a unit, a metric: none may do anything."""

RUNS_SCRIPTS = (
    "<img src=x onerror=\"window.ran='img'\">",
    "\"><script>window.ran='quoted'</script>",
    "'><svg onload=window.ran='svg'>",
    "</script><script>window.ran='ended'</script>",
    "]]><script>window.ran='cdata'</script>-->",
    "<style>@import 'http://elsewhere.test/style.css'</style>",
    "<a href=\"javascript:window.ran='link'\">click</a>",
    "<a href='http://elsewhere.test/'>click</a>",
    "javascript:window.ran='address'",
    "{{7*7}}${7*7}#{7*7}<%=7*7%>",
    "`${window.ran='template'}`",
    "\\u003cscript>window.ran='escaped'</script>",
    "&lt;b&gt;bold&lt;/b&gt;&amp;&#60;",
    "onerror=alert(1) ' \" `",
)
MARKDOWN = (
    "![pixel](http://elsewhere.test/pixel.png)",
    "[click](javascript:alert(1))",
    "<img src='http://elsewhere.test/pixel.png'>",
    "| cell | cell |\n|---|---|\n# heading",
    "```\n![pixel](http://elsewhere.test/pixel.png)",
    "http://elsewhere.test/ www.elsewhere.test someone@elsewhere.test",
    '[a]: http://elsewhere.test/ "a"',
)
TERMINAL = (
    "sweep [/lr] 0.1",
    "[link=http://elsewhere.test]click[/link] [bold red]loud[/] :smile: [@click=app.quit]",
    "\x1b[2J\x1b[1;31mred\x1b[0m",
    "\x1b]0;title\x07\x1b]8;;http://elsewhere.test\x1b\\click\x1b]8;;\x1b\\",
    "\x9b2J\x9d0;title\x9c",
    "first\r\nsecond\rthird\x0b\x0c\x08\x08\x7f\x00",
    "mirrored \u202etxt.exe\u202c \u2066isolated\u2069 \u200fmark\u200e \u061c",
    "line\u2028line\u2029line\x85line",
    "no\u200bwidth\ufeff\u2060\u00ad\u200d\U000e0041",
    "half \ud83d of a pair",
)
FORMULAS = (
    '=HYPERLINK("http://elsewhere.test")',
    "+1+cmd|' /C calc'!A0",
    "-2+3",
    "@SUM(1+1)",
    "\t=1+1",
    "\r=1+1",
    " =1+1",
    "\uff1d1+1",
    "\uff0b1 \uff0d1 \uff201",
    "plain;=1+1",
    'quote";"=1+1',
)
LONG = ("x" * 10_000, "$" * 9_999, "字" * 5_000, "\u0301" * 3_000, "👩\u200d👩\u200d👧" * 1_000)
MATHEMATICS = (r"$\frac{$", "$x^2$ and $", r"\$\frac{1}{2}\$", "a_b^c % # & ~")
NAMES = (*RUNS_SCRIPTS, *MARKDOWN, *TERMINAL, *FORMULAS, *MATHEMATICS, *LONG)
