"""The dashboard: server-rendered pages over `store/records`; the URL is the state.

`app.py` is the application, `site.py` what all pages share, `page.py` what a page is and is given,
`query.py` the URL read once, `figures/` how figures look, `access/` who may come in.

A new page is one module in `pages/`, one template and its test:

1. `pages/NAME.py` has `PAGE = Page("NAME", "Title", (View("/ui/NAME", show, twins=True),),
   shortcut="n")`. A `View` is a path and `async def show(visit: Visit) -> Response`. With `twins`
   it also answers `/ui/NAME.csv` and `.json`: where `visit.twin` is set, return
   `visit.records(Records(rows, next_cursor))` with the admin API's own rows.
2. `templates/NAME.html` extends `layout.html` and fills the block `content`; return
   `await visit.html("NAME.html", name=value, …)`. Tables are a `Table` value
   (`figures/tables.py`) drawn by `parts/table.html`; filters and ranges are in
   `parts/filters.html`. Figures come from `figures/cells.py` (also as `cells` in templates),
   small charts from `figures/charts.py`. A line over time with uPlot: an element of class `plot`
   with `data-plot='{"times": [seconds], "series": [{"label", "values", "colour": "--s1"}],
   "tz": "UTC", "dates": true}'` (values in dollars; `|tojson|forceescape`), its table beside it in
   `<details>`, uPlot's style sheet in the block `head` and its script in the block `scripts`.
3. `pages/__init__.py` lists it; its place there is its place in the head.
4. What may fail on its own is awaited with `await visit.part(…)` and drawn with the macro `part`.
5. A change is a `View(…, method="POST")`: the form's token is checked before the handler sees
   `visit.form`; the store is given `actor=ACTOR`; the answer is `visit.go(href)`.

No inline script or style anywhere: the content security policy refuses them.
"""
