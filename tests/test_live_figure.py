from browser import NotebookPage, notebook_of


def test_a_figure_is_drawn(notebook_page: NotebookPage) -> None:
    notebook_page.open(
        notebook_of(
            "import numpy as np, plotly.graph_objects as go\nfrom devops_lab.live_figure import LiveFigure\n"
            "from devops_lab.figures import *\n"
            "x = np.linspace(0, 10, 200)\n"
            "f = drawing('A wave', 'A wave of height 1.', x='time (s)', y='height (m)')\n"
            "f.add_scatter(x=x, y=np.sin(x), name='wave')\nlive = LiveFigure(f); live",
            "live2 = LiveFigure(f); live2",
            "show(f)",
        )
    )
    notebook_page.run_all()
    notebook_page.page.wait_for_selector(".js-line", timeout=20000)
    notebook_page.page.wait_for_timeout(2000)
    print(notebook_page.errors, notebook_page.foreign_requests, notebook_page.red_outputs())
