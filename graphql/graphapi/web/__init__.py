"""Pages for people: coordinator, partner, person, public. One more client of the same operations.

How to add a page, for example the list of clients. Nothing of the foundation is edited; files of your own:

1. A handler in ``web/pages/<area>.py`` (every module there is loaded)::

       @page("/clients", roles=COORDINATION, entry=Entry(N_("Clients"), N_("Everybody you work with"), 20))
       async def clients(visit: Visit) -> Answer:
           found = await visit.find("find-clients", first=25, after=visit.query.given("after"))
           return visit.page("coordinator/clients.html", part="coordinator/_clients.html", clients=found)

       @action("/clients/{id:str}/phase", roles=COORDINATION)
       async def move_phase(visit: Visit, id: str) -> Answer:
           outcome = await visit.change("move-client-phase", {"id": id, "to": visit.form.given("to")})
           if not outcome.done:
               return await client(visit, id)      # the GET handler again: 422, typed values are kept
           return visit.go(f"/clients/{id}", said=visit.gettext("The phase was changed."))

   ``find`` and ``ask`` read (``find``: the one root field, not there = 404), ``change`` runs a mutation:
   idempotency key and ``expectedVersion`` come from the form. All are documents of ``graphql/operations``
   by file name. A page never asks the database, never holds a rule.
2. A template in ``web/templates/<area>/``: ``{% extends "base.html" %}``, the macros of ``forms.html`` and
   ``parts.html`` (``{% import "forms.html" as forms with context %}``). A form is
   ``forms.begin(action)``, ``forms.summary()`` before it, fields, ``forms.version(n)`` where there is one,
   ``forms.submit(text)``, ``forms.end()``. Field names are those of the GraphQL input. Filters: ``day``,
   ``moment``, ``number``, ``told`` (a GraphQL text with its own ``lang``). No inline script or style: the
   policy forbids them; comfort goes into ``static/<area>.js``, style into ``static/<area>.css`` (block
   ``head``: ``assets.url("<area>.css")``).
3. Texts are English in template (``{{ _("…") }}``, ``{% trans %}``) and handler (``visit.gettext("…")``),
   German in ``web/locale/de/<area>.po``; ``python -m graphapi.web.translations`` prints what is missing.
4. A test in ``tests/web/``: of the page with ``web`` (fast, no browser), and one of the way a person goes
   with ``browser`` (Chromium against the demo: ``make browser``), which checks axe and takes screenshots.

A page for a person (code card) extends ``layout.html``, which has no navigation and no text of its own, and
is answered with ``visit.page(…, personal=True, in_language="ar")``: lang and direction follow, the texts are
those of ``referrals/person/card_texts``. Codes come in a form (POST), never in an address of ours that is
logged; only the route's pattern is.

Lists page with ``parts.more(connection.pageInfo)``; empty states (``parts.empty``) say what to do next. GET
changes nothing; POST answers with a redirect or, refused, with the page and its errors at the fields.
"""
