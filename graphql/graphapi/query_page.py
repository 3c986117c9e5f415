"""The query page: GraphiQL from files that are installed with us, so that it asks no other host for anything.

A token can be entered; it is kept in the page's memory only and is gone when the page is closed.
"""

from __future__ import annotations

from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Final

ASSETS_PATH: Final = "/query-assets"

_INSTALLED: Final = {
    "react.production.min.js": "text/javascript",
    "react-dom.production.min.js": "text/javascript",
    "graphiql.min.js": "text/javascript",
    "graphiql.min.css": "text/css",
}

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "font-src data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
"""Nothing from other hosts and no inline scripts. Inline styles stay allowed: the editor sets them."""

PAGE_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-frame-options", b"DENY"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"vary", b"Accept"),
)

PAGE: Final = f"""<!doctype html>
<html lang="de">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Spurwechsel network: GraphQL</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="{ASSETS_PATH}/graphiql.min.css">
<link rel="stylesheet" href="{ASSETS_PATH}/page.css">
<script src="{ASSETS_PATH}/react.production.min.js" defer></script>
<script src="{ASSETS_PATH}/react-dom.production.min.js" defer></script>
<script src="{ASSETS_PATH}/graphiql.min.js" defer></script>
<script src="{ASSETS_PATH}/page.js" defer></script>
</head>
<body>
<form id="access" autocomplete="off">
<label for="token">Token</label>
<input id="token" type="password" placeholder="spw_… (leer: nur Veröffentlichtes / empty: published only)"
 spellcheck="false">
<label for="language">Sprache / Language</label>
<select id="language"><option value="de">Deutsch</option><option value="en">English</option></select>
</form>
<main id="editor">GraphiQL …</main>
<noscript>Diese Seite braucht JavaScript. / This page needs JavaScript.</noscript>
</body>
</html>
"""

SCRIPT: Final = """"use strict";
const token = document.getElementById("token");
const language = document.getElementById("language");
document.getElementById("access").addEventListener("submit", (event) => event.preventDefault());
const fetcher = async (parameters, options) => {
  const headers = {
    "Content-Type": "application/json",
    "Accept": "application/graphql-response+json",
    "Accept-Language": language.value,
    ...((options && options.headers) || {}),
  };
  const entered = token.value.trim();
  if (entered) headers["Authorization"] = "Bearer " + entered;
  const response = await fetch("/graphql", {
    method: "POST", headers, body: JSON.stringify(parameters), credentials: "omit",
  });
  return response.json();
};
const example = `# Strg/Ctrl+Enter
{
  services(first: 10) {
    totalCount
    edges {
      node {
        id
        title { text language }
        kind
        partner { name }
        capacity { state }
      }
    }
  }
}
`;
ReactDOM.render(
  React.createElement(GraphiQL, {
    fetcher, defaultQuery: example, isHeadersEditorEnabled: false, shouldPersistHeaders: false,
  }),
  document.getElementById("editor"),
);
"""

STYLE: Final = """html, body { height: 100%; margin: 0; }
body { display: flex; flex-direction: column; font: 14px system-ui, sans-serif; }
#access { display: flex; gap: .5rem; align-items: center; padding: .5rem; border-bottom: 1px solid #ccc; }
#token { flex: 1; padding: .3rem; font: inherit; }
#editor { flex: 1; min-height: 0; }
"""


@cache
def asset(name: str) -> tuple[bytes, str, str] | None:
    """Return content, media type and ETag of a file of the page, or None if the page has no such file."""
    own = {"page.js": (SCRIPT, "text/javascript"), "page.css": (STYLE, "text/css")}
    if name in own:
        text, kind = own[name]
        content = text.encode()
    elif name in _INSTALLED:
        package = "graphene_django_graphiql_static"
        content = files(package).joinpath("static", package, name).read_bytes()
        kind = _INSTALLED[name]
    else:
        return None
    return content, f"{kind}; charset=utf-8", f'"{sha256(content).hexdigest()[:32]}"'
