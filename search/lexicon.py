"""Words that search knows: stop words, building words of German compounds, names of languages and places.

Data only. What a network adds itself (topics with their synonyms) is data in its tables, not here.
"""

from __future__ import annotations

from typing import Final

STOP_WORDS: Final = frozenset(
    """
    aber alle allem allen aller alles als also am an andere anderen auch auf aus bei beim bekomme bekommen
    bin bis bist bitte brauche brauchen bzw da damit dann darf das dass dem den denn der des dessen deren
    die dies diese diesem diesen dieser dieses dir doch dort du durch ein eine einem einen einer eines er
    es etwas euch euer fuer finde finden gegen geht gibt hab habe haben hat hatte hier ich ihm ihn ihnen
    ihr ihre ihrem ihren ihrer im in ins ist ja jede jeder jedes kann kannst kein keine keinen koennen
    kriege man mein meine meinem meinen meiner mich mir mit moechte moechten muss muessen nach nicht
    nichts noch nun nur ob oder ohne sehr sein seine seinem seinen seiner selbst sich sie sind so soll
    sollen sollte ueber um und uns unser unsere unter vom von vor wann war waren warum was weil welche
    welchem welchen welcher welches wenn wer werde werden wie wieso will wir wird wo woher wohin wollen
    worden wurde wurden zu zum zur zwischen machen mache macht a about am an and any are as at be been
    being but by can could do does did for from get had has have he her here him his how i if in into is
    it its like may me might my need no not of on or our out she should so some such that the their them
    then there these they this those to us want was we were what when where which who why will with would
    you your
    """.split()  # noqa: SIM905 - a list of words reads best as text
)
"""Function words of German and English, umlauts written out; left out of a query that has other words."""

OTHER_STOP_WORDS: Final = frozenset(
    """
    aux avec ce comment dans de des du elle en est et faire il je la le les leur ma mes mon nos notre nous
    où par peut peux pour puis quand que quel qui sa ses sont sur un une veux vos votre vous
    в во для до за и из или как где когда кто ли мне мой моя мы на надо нужна нужен нужно о от по при
    с со у хочу чтобы что это я
    або де є з й коли мені мій моя ми на про потрібен потрібна потрібно та те хто чи що щоб як яка який які
    أريد اريد أنا انا إلى الى أن ان أين اين التي الذي عن على في كيف لي ما ماذا مع من متى هل هو هي هذا هذه و
    يمكنني است از اما این آن با باید برای به تا چطور چگونه چه در را کجا که کنم من می می‌خواهم میخواهم نیاز
    هست و یا
    ናይ ን ብ ኣብ ካብ ምስ እየ እዩ ንምግዛእ ኣበይ ከመይ
    """.split()  # noqa: SIM905 - a list of words reads best as text
)
"""Function words of French, Russian, Ukrainian, Arabic, Persian and Tigrinya, for queries only."""

ASKING_WORDS: Final = frozenset(
    """
    ablauf abläuft adresse angeboten anbieten anmelden art arten beachten bedeuten bedeutet bedingung
    bedingungen begriff beantragen beinhaltet bekommt benoetige benoetigen benoetigt besondere besonders
    bestimmte bestimmten bieten bietet dauer dauert deutschland erfahren erfuellen erhaelt erhalten
    erklaeren erreichen existieren form formen funktion geeignet gelten genau gilt helfen hilft hoch
    information informationen informieren kontakt kostet laeuft lange melden moeglich moeglichkeit
    moeglichkeiten naehe normal normalerweise nutzen oeffnungszeiten oft passiert rolle speziell spezielle
    speziellen stehen steht tun umfasst unterlagen unterschied verfuegbar verstehen versteht viel viele
    vielen voraussetzung voraussetzungen vorteil vorteile wenden wichtig wichtige ziel zugaenglich
    zustaendig zustehen
    """.split()  # noqa: SIM905 - a list of words reads best as text
)
"""Words with which people ask, whatever they look for; they count, but less than the others."""

BUILDING_WORDS: Final = frozenset(
    """
    abend abitur abschluss abteilung adresse agentur akademie alltag alphabetisierung alter alters amt
    amts analyse anbieter anerkennung anfang angebot angehoerige anhoerung anlage anmeldung anpassung
    anschluss ansprechpartner anspruch antrag anwalt anzeige arbeit arbeiter arbeitgeber arbeitnehmer
    arbeitslosen arzt aerzte asyl asylbewerber aufenthalt aufgabe aufnahme auftrag ausbildung ausbilder
    ausgabe ausgleich auskunft ausland auslaender ausnahme ausreise aussage austausch ausweis bahn bank
    barriere bedarf beginn begleiter begleitung behandlung behinderung behoerde beirat beitrag bekaempfung
    beratung berater bereich bericht beruf berufs bescheid bescheinigung beschaeftigung beschwerde
    bestaetigung besuch beteiligung betreuung betrieb bewerber bewerbung bewertung beziehung bildung brief
    buch buendelung buero buerger burger bus chance chancen daten dauer deutsch dienst digital dolmetscher
    dorf drogen duldung ehe ehrenamt eignung einbuergerung eingliederung einkommen einreise einrichtung
    einschulung eltern empfang energie engagement entscheidung entwicklung erfahrung erfolg ergebnis
    erklaerung erlaubnis ernaehrung erstaufnahme erstellung erwachsene erwerb erziehung essen existenz
    fach fachkraft fahrt fall familie familien feier ferien fest feststellung fiktion film finanzen finanz
    firma flucht fluechtling flughafen folge forderung foerderung form forum frage fragen frau frauen frei
    freiheit freiwillig freizeit frist fuehrer fuehrerschein fuehrung gang garten gast gebaeude gebiet
    gebuehr geburt gefluechtete gefahr gehalt geist gelaende geld gemeinde gemeinschaft genehmigung
    gericht gesellschaft gesetz gespraech gestaltung gestattung gesundheit gewalt gewerbe gewerkschaft
    grund gruppe gruendung gutschein halle hand handel handwerk haus haushalt haeuser hebamme heim heimat
    helfer herkunft hilfe hof hort identitaet industrie information initiative institut integration
    internet jahr jahre job jobcenter jugend jugendliche kammer karte kasse kenntnis kenntnisse kind
    kinder kindergarten kirche kita klage klaerung klinik koch kommune kompetenz kommunikation konferenz
    konflikt konto kontakt koerper kosten kraft kranken krankheit kredit kreis krise kultur kunde kunst
    kurs kurse laden lager land landes leben lebenslauf leben lehre lehrer lehrgang leistung leitung lern
    lernen liste lohn loesung mann maenner markt massnahme mediation medien medizin meister meldung mensch
    menschen migration migranten miete mieter mittel mittler mittlung moebel mobilitaet monat museum musik
    mutter nachbar nachbarschaft nachhilfe nachmittag nachricht nachweis name natur netz netzwerk
    niederlassung not notfall nutzung oeffentlichkeit opfer ordnung organisation ort paedagogik papiere
    partei partner pass paten patienten pension person personal perspektive pflege pflicht plan planung
    platz polizei post praktikum praktika praxis preis prinzip problem programm projekt prozess pruefung
    psycho punkt qualifikation qualifizierung qualitaet rat rathaus ratgeber raum recht rechte rechts
    regel region regierung reife reise religion rente richter rueckkehr sache sammlung satz schaden schein
    schicht schluss schueler schuld schulden schule schul schulung schutz schwanger schwangerschaft
    schwimm seelsorge seite selbst selbsthilfe senioren service sicherheit sicherung sitzung sozial spiel
    sport sprach sprache sprachen staat stadt stand standort stelle stellen steuer stiftung strasse strom
    studien studium stunde stunden suche sucht tafel tag tages tagung tarif tausch technik teil teilhabe
    teilnehmer teilzeit telefon termin test theater tisch titel training traeger transport trauma treff
    trennung tuer uebergang ueberpruefung uebersetzer uebersetzung umfeld umschulung umwelt umzug unfall
    universitaet unterhalt unterkunft unternehmen unternehmer unterricht unterstuetzung untersuchung
    urkunde urlaub vater verband verbindung verbraucher verein verfahren verfolgung vergabe vergleich
    vergnuegen verkauf verkehr verlaengerung verleih verlust vermieter vermittler vermittlung vermoegen
    vernetzung verordnung verpflichtung versammlung versicherung versorgung verstaendnis vertrag
    vertretung verwaltung verweis vielfalt visum volk vollmacht vorbereitung vormittag vorsorge
    vorstellung wahl waren warte wasser wechsel weg weiterbildung welt werk werkstatt wettbewerb
    widerspruch wirtschaft wissen woche wochen wohl wohngeld wohnheim wohnsitz wohnung wohnungen wunsch
    zahl zahlung zeichen zeit zeitung zentrum zentren zeugnis ziel zimmer zoll zugang zukunft zulage
    zulassung zusammenarbeit zuschuss zustaendigkeit zuwanderer zuwanderung zweck
    """.split()  # noqa: SIM905 - a list of words reads best as text
)
"""Words that German compounds of the field are built from (own list), umlauts written out."""

PLACES: Final = {"chosebuz": "cottbus", "chosebus": "cottbus", "kottbus": "cottbus", "chotebuz": "cottbus"}
"""Folded spellings of a place's name to the folded name they mean (Lower Sorbian Chóśebuz)."""

LANGUAGE_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "am": ("Amharisch", "Amharic", "አማርኛ"),
    "ar": ("Arabisch", "Arabic", "العربية"),
    "az": ("Aserbaidschanisch", "Azerbaijani", "Azərbaycanca"),
    "bg": ("Bulgarisch", "Bulgarian", "Български"),
    "bn": ("Bengalisch", "Bengali", "বাংলা"),
    "bs": ("Bosnisch", "Bosnian", "Bosanski"),
    "ce": ("Tschetschenisch", "Chechen", "Нохчийн"),
    "ckb": ("Sorani", "Zentralkurdisch", "Kurdisch", "Central Kurdish", "کوردی"),
    "cs": ("Tschechisch", "Czech", "Čeština"),
    "de": ("Deutsch", "German"),
    "dsb": ("Niedersorbisch", "Sorbisch", "Lower Sorbian", "Dolnoserbšćina"),
    "el": ("Griechisch", "Greek", "Ελληνικά"),
    "en": ("Englisch", "English"),
    "es": ("Spanisch", "Spanish", "Español"),
    "fa": ("Persisch", "Farsi", "Persian", "فارسی"),
    "ff": ("Fula", "Fulfulde", "Fulah"),
    "fr": ("Französisch", "French", "Français"),
    "ha": ("Hausa",),
    "hi": ("Hindi", "हिन्दी"),
    "hr": ("Kroatisch", "Croatian", "Hrvatski"),
    "hu": ("Ungarisch", "Hungarian", "Magyar"),
    "hy": ("Armenisch", "Armenian", "Հայերեն"),
    "it": ("Italienisch", "Italian", "Italiano"),
    "ka": ("Georgisch", "Georgian", "ქართული"),
    "kmr": ("Kurmandschi", "Kurmanci", "Nordkurdisch", "Kurdisch", "Northern Kurdish", "Kurdish"),
    "ku": ("Kurdisch", "Kurdish", "Kurdî"),
    "ln": ("Lingala",),
    "mk": ("Mazedonisch", "Macedonian", "Македонски"),
    "ne": ("Nepali", "नेपाली"),
    "om": ("Oromo", "Afaan Oromoo"),
    "pa": ("Pandschabi", "Punjabi", "ਪੰਜਾਬੀ"),
    "pl": ("Polnisch", "Polish", "Polski"),
    "prs": ("Dari", "دری"),
    "ps": ("Paschtu", "Paschto", "Pashto", "پښتو"),
    "pt": ("Portugiesisch", "Portuguese", "Português"),
    "ro": ("Rumänisch", "Romanian", "Română"),
    "rom": ("Romani", "Romanes"),
    "ru": ("Russisch", "Russian", "Русский"),
    "sk": ("Slowakisch", "Slovak", "Slovenčina"),
    "so": ("Somali", "Somalisch", "Soomaali"),
    "sq": ("Albanisch", "Albanian", "Shqip"),
    "sr": ("Serbisch", "Serbian", "Српски"),
    "sw": ("Suaheli", "Swahili", "Kiswahili"),
    "ta": ("Tamil", "தமிழ்"),
    "th": ("Thailändisch", "Thai", "ไทย"),
    "ti": ("Tigrinya", "Tigrinisch", "ትግርኛ"),
    "tr": ("Türkisch", "Turkish", "Türkçe"),
    "uk": ("Ukrainisch", "Ukrainian", "Українська"),
    "ur": ("Urdu", "اردو"),
    "uz": ("Usbekisch", "Uzbek", "Oʻzbekcha"),
    "vi": ("Vietnamesisch", "Vietnamese", "Tiếng Việt"),
    "wo": ("Wolof",),
    "yo": ("Yoruba",),
    "zh": ("Chinesisch", "Chinese", "中文"),
}
"""What people call a language: German, English and own names by BCP 47 primary tag."""
