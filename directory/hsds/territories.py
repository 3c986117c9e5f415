"""Territories of Germany by their official key (ARS): their land, name and URI. Pure.

Source of the keys: Amtlicher Regionalschlüssel of the Federal Statistical Office; of the URIs: the political
geocoding vocabularies of DCAT-AP.de.
"""

from __future__ import annotations

from typing import Final

from directory.values import MunicipalitySummary

LANDS: Final = {
    "01": "Schleswig-Holstein",
    "02": "Hamburg",
    "03": "Niedersachsen",
    "04": "Bremen",
    "05": "Nordrhein-Westfalen",
    "06": "Hessen",
    "07": "Rheinland-Pfalz",
    "08": "Baden-Württemberg",
    "09": "Bayern",
    "10": "Saarland",
    "11": "Berlin",
    "12": "Brandenburg",
    "13": "Mecklenburg-Vorpommern",
    "14": "Sachsen",
    "15": "Sachsen-Anhalt",
    "16": "Thüringen",
}
"""The sixteen lands by the first two digits of the key."""

_VOCABULARIES: Final = {
    2: "stateKey",
    3: "governmentDistrictKey",
    5: "districtKey",
    9: "municipalAssociationKey",
    12: "regionalKey",
}


def land(key: str) -> str | None:
    """Return the land that a key lies in.

    >>> land("120520000000"), land("99")
    ('Brandenburg', None)
    """
    return LANDS.get(key[:2])


def territory_name(key: str, municipality: MunicipalitySummary, name: str) -> str:
    """Return what to call a territory: the municipality (``name``) if it is that, its land, or its key.

    A town that is a district of its own is meant by its key of five digits too.
    """
    own = municipality.ars
    if len(key) >= 5 and own.startswith(key) and (key == own or own[len(key) :].strip("0") == ""):
        return name
    if len(key) == 2 and key in LANDS:
        return LANDS[key]
    return f"ARS {key}"


def territory_uri(key: str) -> str | None:
    """Return the URI of a territory in the vocabularies of DCAT-AP.de; None where there is none.

    >>> territory_uri("12071")
    'http://dcat-ap.de/def/politicalGeocoding/districtKey/12071'
    """
    vocabulary = _VOCABULARIES.get(len(key))
    if vocabulary is None or key[:2] not in LANDS:
        return None
    return f"http://dcat-ap.de/def/politicalGeocoding/{vocabulary}/{key}"
