"""What can be read of the directory, through HTTP."""

from __future__ import annotations

PAGE = """query Page($partner: ID!) {
  services(filter: { partnerId: $partner }, first: 50) {
    totalCount
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
    nodes {
      id title { text language } kind kindLabel
      partner { id name kind website }
      languages { language interpreted }
      eligibility { statuses answer answerLabel reason { text } }
      locations { name city latitude }
      capacity { state current }
    }
  }
}"""


async def test_page(api, world, database, make):
    for n in range(3):
        await make.service(world.partner, f"Kurs {n}")
    answer = await api(PAGE, {"partner": world.id("Partner", world.partner)})

    assert [node["title"]["text"] for node in answer.data["services"]["nodes"]] == [
        f"Kurs {n} (en)" for n in range(3)
    ]
    assert answer.data["services"]["totalCount"] == 3
