"""Names of territories for forms: who enters where a service is offered knows places, not their keys."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Final

from directory.eligibility import territory
from directory.hsds.territories import LANDS
from graphapi.web.entering import Entered
from graphapi.web.visiting import Visit

DISTRICTS: Final = {
    "12051": "Brandenburg an der Havel",
    "12052": "Cottbus/Chóśebuz",
    "12053": "Frankfurt (Oder)",
    "12054": "Potsdam",
    "12060": "Landkreis Barnim",
    "12061": "Landkreis Dahme-Spreewald",
    "12062": "Landkreis Elbe-Elster",
    "12063": "Landkreis Havelland",
    "12064": "Landkreis Märkisch-Oderland",
    "12065": "Landkreis Oberhavel",
    "12066": "Landkreis Oberspreewald-Lausitz",
    "12067": "Landkreis Oder-Spree",
    "12068": "Landkreis Ostprignitz-Ruppin",
    "12069": "Landkreis Potsdam-Mittelmark",
    "12070": "Landkreis Prignitz",
    "12071": "Landkreis Spree-Neiße/Sprjewja-Nysa",
    "12072": "Landkreis Teltow-Fläming",
    "12073": "Landkreis Uckermark",
}
"""Districts and towns that are one in Brandenburg (Federal Statistical Office, ARS of five digits)."""

NAMES: Final = {**{key: f"{name} (Land)" for key, name in LANDS.items()}, **DISTRICTS}
_SHORT: Final = re.compile(r"^(landkreis|kreis|stadt|land) |\s*\(land\)$|/.*$")


def named(key: str) -> str:
    """Return what a territory is called; a key that has no name here stands for itself.

    >>> named("120520000000"), named("12"), named("120605003024")
    ('Cottbus/Chóśebuz', 'Brandenburg (Land)', '120605003024')
    """
    return NAMES.get(territory(key), key)


def offered(chosen: Iterable[str]) -> list[tuple[str, str]]:
    """Return what a form offers to tick: Brandenburg, its districts, and what is chosen besides."""
    keys = dict.fromkeys(("12", *DISTRICTS, *(territory(key) for key in chosen)))
    return [(key, named(key)) for key in keys]


def ticked(keys: Sequence[str]) -> list[str]:
    """Return keys as ``offered`` has them."""
    return [territory(key) for key in keys]


def entered(visit: Visit, form: Entered, name: str, before: Sequence[str]) -> list[str]:
    """Return the keys of what was ticked (``name``) and typed (``<name>Keys``: keys or names)."""
    spelled = {territory(key): key for key in before}
    found = [spelled.get(key, key) for key in visit.form.all(name)]
    for said in filter(None, (one.strip() for one in re.split(r"[,;\n]", visit.form.get(f"{name}Keys")))):
        key = said.replace(" ", "")
        if not (key.isascii() and key.isdigit()):
            key = _BY_NAME.get(_plain(said), "")
        if not key:
            message = visit.gettext("“%(place)s” is not known here. Please enter its official key (ARS).")
            form.refuse(f"{name}Keys", message % {"place": said[:60]})
        else:
            found.append(key)
    return list(dict.fromkeys(found))


def _plain(name: str) -> str:
    return _SHORT.sub("", _SHORT.sub("", name.casefold().strip())).strip()


_BY_NAME: Final = {_plain(name): key for key, name in NAMES.items()}
