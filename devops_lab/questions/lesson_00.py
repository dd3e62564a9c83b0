"""The exercises of lesson 00, start here."""

import math
import re
from typing import Any

from devops_lab.questions import Exercise, Mistake
from devops_lab.translation import _


def _is_number_near(value: Any, wanted: float) -> bool:
    return isinstance(value, (int, float)) and math.isclose(value, wanted, rel_tol=0.01)


def _is_list_of(value: Any, length: int) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == length


def _sentences(text: Any) -> list[str]:
    # Korean sentences end with a full stop as English ones do; some people use the ideographic one.
    return [part for part in re.split(r"[.!?。]+\s*", text) if len(part.split()) >= 2]


_PROGRAM_WORDS = re.compile(
    r"program|process|server|software|running|프로그램|프로세스|서버|실행", re.IGNORECASE
)
_ADDRESS = "http://127.0.0.1:8000/menu.html"
_ADDRESSES = (_ADDRESS, "http://localhost:8000/menu.html")


EXERCISES = (
    Exercise(
        id="00.gone",
        number=1,
        kind="read",
        title=_("What a reload shows after the server has stopped"),
        is_right=lambda letter: letter == "c",
        right_answers=("c",),
        because=_("Nobody listens at that port any more, so nobody can even say not found."),
        mistakes=(
            Mistake(
                answer="a",
                when=lambda letter: letter == "a",
                then=_(
                    "Then the page would have to come from somewhere else, now that its "
                    "program has ended."
                ),
                ask=_("What did your browser show when you reloaded the tab?"),
            ),
            Mistake(
                answer="b",
                when=lambda letter: letter == "b",
                then=_("Then somebody would have to be there to write and send that error page."),
                ask=_("Which program could have sent it, now that the server has stopped?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it?"),
        hints=(
            _("Reload the tab that you left open, and read the browser's own words."),
            _("An error page is an answer too. Who could have sent one?"),
        ),
    ),
    Exercise(
        id="00.who_failed",
        number=2,
        kind="read",
        title=_("Whose mistake was it?"),
        is_right=lambda statuses: (
            _is_list_of(statuses, 3)
            and (statuses[0], statuses[2]) == (404, None)
            and statuses[1] in range(500, 600)
        ),
        right_answers=([404, 500, None], (404, 503, None)),
        because=_(
            "4xx is about the one who asks, 5xx about the one who answers; without a server "
            "there is no status at all."
        ),
        mistakes=(
            Mistake(
                answer=[500, 404, None],
                when=lambda statuses: _is_list_of(statuses, 3) and list(statuses[:2]) == [500, 404],
                then=_(
                    "Then a customer's typing mistake would wake up the person on duty, and "
                    "a broken server would not."
                ),
                ask=_("Which of the two groups, 4xx or 5xx, is about the one who asks?"),
            ),
            Mistake(
                answer=[404, 500, 404],
                when=lambda statuses: _is_list_of(statuses, 3) and statuses[2] == 404,
                then=_("Then a server would have answered the third customer: not found."),
                ask=_("Who would have sent that 404, if nobody could be connected to?"),
            ),
            Mistake(
                answer=[404, 500, 500],
                when=lambda statuses: _is_list_of(statuses, 3) and statuses[2] is not None,
                then=_("Then the third customer would have received an answer with a status."),
                ask=_("Can a status arrive when no connection was made?"),
            ),
        ),
        otherwise=_("For each customer: did anybody answer, and if so, about whose mistake?"),
        hints=(
            _("The first two customers got an answer from a server that runs."),
            _("The third customer's browser never reached a server. Python's word for nothing?"),
        ),
    ),
    Exercise(
        id="00.bigger_server",
        number=3,
        kind="compute",
        title=_("The capacity of a bigger server"),
        is_right=lambda capacity: _is_number_near(capacity, 50),
        right_answers=(50, 50.0, 4 / 0.08),
        because=_("Each of the four workers finishes 12.5 requests a second."),
        mistakes=(
            Mistake(
                answer=12.5,
                when=lambda capacity: _is_number_near(capacity, 12.5),
                then=_("That is one worker's share; three workers would stand idle."),
                ask=_("How many requests are worked on at the same time?"),
            ),
            Mistake(
                answer=0.05,
                when=lambda capacity: _is_number_near(capacity, 0.05),
                then=_("Then the bigger server would finish one request in twenty seconds."),
                ask=_("In which unit is 80 ms when the answer counts requests per second?"),
            ),
            Mistake(
                answer=320,
                when=lambda capacity: _is_number_near(capacity, 320),
                then=_(
                    "Then a slower page, with more work in it, would give more requests a second."
                ),
                ask=_("Should a longer service time make the capacity larger or smaller?"),
            ),
            Mistake(
                answer=0.32,
                when=lambda capacity: _is_number_near(capacity, 0.32),
                then=_("Then this server would finish less than one request a second."),
                ask=_(
                    "Is the time for each request multiplied by the workers, or divided into them?"
                ),
            ),
            Mistake(
                answer=20,
                when=lambda capacity: _is_number_near(capacity, 20),
                then=_("That is the small server of the experiment again."),
                ask=_("Which two numbers are different for the bigger server?"),
            ),
        ),
        otherwise=_("What does one worker finish in a second, and how many workers are there?"),
        hints=(
            _("Write 80 ms in seconds first."),
            _("One worker that needs s seconds for a request finishes 1/s requests a second."),
        ),
    ),
    Exercise(
        id="00.mend",
        number=4,
        kind="mend",
        title=_("Four broken addresses"),
        is_right=lambda mended: _is_list_of(mended, 4) and all(url in _ADDRESSES for url in mended),
        right_answers=([_ADDRESS] * 4, [_ADDRESSES[1]] * 4),
        because=_("Scheme, host, port and path, each behind its own sign."),
        mistakes=(
            Mistake(
                answer=["http:/127.0.0.1:8000/menu.html", *[_ADDRESS] * 3],
                when=lambda mended: any(re.match(r"http:/[^/]", str(url)) for url in mended),
                then=_("Then the browser could not tell where the host begins."),
                ask=_("How many slashes stand between the scheme and the host?"),
            ),
            Mistake(
                answer=[_ADDRESS, _ADDRESS, "http://127.0.0.1:80000/menu.html", _ADDRESS],
                when=lambda mended: any(":80000" in str(url) for url in mended),
                then=_("Then the browser would refuse: ports end at 65535."),
                ask=_("Which port does the text above the exercise name?"),
            ),
            Mistake(
                answer=[_ADDRESS, "http://127.0.0.1.8000/menu.html", _ADDRESS, _ADDRESS],
                when=lambda mended: any("127.0.0.1.8000" in str(url) for url in mended),
                then=_("Then all five numbers together would be taken for the host."),
                ask=_("Which sign stands between host and port?"),
            ),
        ),
        otherwise=_("Which of the four is still not like the other ones, and in which part?"),
        hints=(
            _("Compare each with the table of the four parts, sign by sign."),
            _("A slash too few, a wrong sign, a port too large, a slash that leans the wrong way."),
        ),
    ),
    Exercise(
        id="00.choose",
        number=5,
        kind="choose",
        title=_("Money for one thing"),
        is_right=lambda letter: letter == "c",
        right_answers=("c",),
        because=_(
            "It is the only one with room above 60 requests a second. Making the work smaller is "
            "often cheaper than buying workers."
        ),
        mistakes=(
            Mistake(
                answer="a",
                when=lambda letter: letter == "a",
                then=_(
                    "Then the capacity would be 40 requests a second, and the queue would grow."
                ),
                ask=_("What is workers divided by service time for each of the three?"),
            ),
            Mistake(
                answer="b",
                when=lambda letter: letter == "b",
                then=_(
                    "Then capacity and load would be equal: a queue that has formed once, after "
                    "one late second, never gets shorter again."
                ),
                ask=_("Which choice leaves some room above the load?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it?"),
        hints=(
            _("Compute the capacity of each: workers divided by service time in seconds."),
            _("Is a capacity that only just equals the load enough?"),
        ),
    ),
    Exercise(
        id="00.explain",
        number=6,
        kind="explain",
        title=_("Explain it to the baker"),
        is_right=lambda text: len(_sentences(text)) >= 2 and bool(_PROGRAM_WORDS.search(text)),
        right_answers=(
            "The files were still there. The program that hands them out had stopped running.",
            "파일은 그대로 있었습니다. 파일을 건네주는 서버 프로그램이 멈춰 있었습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of a running program. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The server had stopped.",
                when=lambda text: isinstance(text, str) and len(_sentences(text)) < 2,
                then=_("Then the baker would ask: but where are my files now?"),
                ask=_("Can you say in a second sentence what became of the files?"),
            ),
            Mistake(
                answer="The internet was down. The page was deleted by mistake.",
                when=lambda text: isinstance(text, str) and not _PROGRAM_WORDS.search(text),
                then=_("Then the baker would look for the files, or call the telephone company."),
                ask=_("What has to be running for a page to be handed out?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("One sentence about the files on the disk, one about who hands them out."),
            _("Think of a shop full of bread with nobody behind the counter."),
        ),
    ),
)
