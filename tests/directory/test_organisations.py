"""Private persons are never listed, as far as a name tells one."""

import pytest

from directory.checking import organisation_name
from directory.organisations import names_a_person
from directory.problems import InvalidInput


@pytest.mark.parametrize(
    ("name", "person"),
    [
        ("Herr Nowak", True),
        ("Frau Maria Beispiel", True),
        ("Frau Dr. Maria Beispiel", True),
        ("Frau Jacqueline Beispiel-Muster", True),
        ("Mrs. Smith", True),
        ("Herr Ö. Özdemir", True),
        ("Frau Anna Maria Luise Kaffee Verein", False),
        ("Frauen in Arbeit e. V.", False),
        ("Frau und Beruf", False),
        ("Frau-Holle-Kita", False),
        ("Malermeister Hans Beispiel", False),
        ("Praxis Dr. Beispiel", False),
        ("Mr", False),
        ("", False),
    ],
)
def test_a_form_of_address_and_a_name_is_a_person(name: str, person: bool) -> None:
    assert names_a_person(name) is person


def test_a_person_is_refused_as_a_partner() -> None:
    """Volunteers appear through their organisation."""
    with pytest.raises(InvalidInput) as refused:
        organisation_name("Frau Maria Beispiel", "name")

    assert (refused.value.field, refused.value.reason) == ("name", "private-person")
    assert organisation_name("  Willkommen in Cottbus e. V. ", "name") == "Willkommen in Cottbus e. V."
