"""The pages, one module per area; each registers its own when imported (see ``graphapi.web.routes``)."""
