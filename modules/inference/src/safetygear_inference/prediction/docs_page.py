"""The API's documentation as one HTML page, made from the same table; it loads nothing. Pure."""

from __future__ import annotations

from html import escape
from typing import Final

from safetygear_inference.prediction.openapi import ERRORS, KEY_HEADER, summary
from safetygear_inference.prediction.picture_body import FIELD
from safetygear_inference.prediction.routes import PAGES, ROUTES

POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"
"""Its Content-Security-Policy: the page's own style, and nothing else."""
_STYLE: Final = """
body{font:16px/1.5 system-ui,sans-serif;max-width:72rem;margin:2rem auto;padding:0 1rem;color:#1b1f24;background:#fff}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;width:100%}td,th{border-top:1px solid #d0d7de;padding:.35rem .6rem;text-align:left;
vertical-align:top}code,pre{font:14px/1.45 ui-monospace,monospace}td code{overflow-wrap:anywhere}
pre{background:#f6f8fa;padding:.8rem;overflow:auto}
@media(prefers-color-scheme:dark){body{color:#e6edf3;background:#0d1117}td,th{border-color:#30363d}pre{background:#161b22}
a{color:#58a6ff}}
"""
_EXAMPLES: Final = f"""curl -H '{KEY_HEADER}: …' -F {FIELD}=@picture.jpg http://HOST/image
curl -H '{KEY_HEADER}: …' --data-binary @picture.jpg http://HOST/image
curl -H '{KEY_HEADER}: …' -H 'Content-Type: application/json' -d '{{"Url": "https://…"}}' http://HOST/url"""
_CLIENT: Final = """from azure.cognitiveservices.vision.customvision.prediction import CustomVisionPredictionClient
from msrest.authentication import ApiKeyCredentials

client = CustomVisionPredictionClient("http://HOST", ApiKeyCredentials(in_headers={"Prediction-Key": "…"}))
result = client.detect_image("00000000-0000-0000-0000-000000000000", "any", open("picture.jpg", "rb").read())"""


def page() -> str:
    """The whole page."""
    short_first = sorted(ROUTES, key=lambda route: route.group)
    posts = [("POST", route.path, summary(route)) for route in short_first]
    gets = [("GET", page.path, page.summary) for page in PAGES]
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width,initial-scale=1">
<title>SafetyGear prediction</title><style>{_STYLE}</style></head><body>
<h1>SafetyGear prediction</h1>
<p>Custom Vision's prediction API 3.1 and the paths of its exported container, answered by one model. The project may be
any UUID and the iteration any name. Nothing is stored. For programs: <a href="openapi.json">openapi.json</a>.</p>
<h2>Ask</h2><pre>{escape(_EXAMPLES)}</pre><pre>{escape(_CLIENT)}</pre>
<h2>Paths</h2>{_table(("", "path", "what it does"), (*gets, *posts))}
<h2>Errors</h2><p>The body is <code>{{"code": "…", "message": "…"}}</code>.</p>
{_table(("status", "meaning"), [(str(status), meaning) for status, meaning in ERRORS.items()])}
</body></html>
"""


def _table(heads: tuple[str, ...], rows: list[tuple[str, ...]] | tuple[tuple[str, ...], ...]) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
    body = "".join("<tr>" + "".join(map(_cell, row)) + "</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _cell(text: str) -> str:
    return f"<td><code>{escape(text)}</code></td>" if text.startswith("/") else f"<td>{escape(text)}</td>"
