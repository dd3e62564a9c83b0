"""The exercises of lesson 14, logs. An answer in SQL is tried on a small log that is known."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from devops_lab.questions import Exercise, Mistake
from devops_lab.questions.answers import (
    a_letter_alone,
    chose,
    defends,
    explains,
    is_brief,
    is_list_of,
    is_near,
)
from devops_lab.translation import _

# The small log: customer, server, how many requests, and how many of them failed.
SMALL_LOG = (
    ("busy", "big", 300, 0),
    ("regular", "big", 200, 6),
    ("glad", "big", 40, 0),
    ("new", "small", 12, 3),
    ("poor", "small", 5, 5),
)
REQUESTS, FAILED = (sum(row[column] for row in SMALL_LOG) for column in (2, 3))
SHARE_IN_ALL = FAILED / REQUESTS
MEAN_OF_SHARES = (6 / 540 + 8 / 17) / 2

_JARGON = re.compile(
    r"\bSQL\b|\blogs?\b|\bmetrics?\b|dashboard|\bquer|\bstatus|sampling|error rate|"
    r"로그|메트릭|지표|대시보드|쿼리|상태 코드|샘플링|오류율",
    re.IGNORECASE,
)
_SPEAKS_OF_ALL = re.compile(
    r"\ball\b|together|everybody|everyone|average|among|thousand|whole|each|전체|모두|모든|전부|대부분|평균|합[쳐치친]|각각|천",
    re.IGNORECASE,
)
_BY_LINE = re.compile(r"where\s+status", re.IGNORECASE)
_GROUPED = re.compile(r"group\s+by", re.IGNORECASE)


@lru_cache(maxsize=64)
def _asked(query: str) -> tuple[list[tuple[Any, ...]], str]:
    """The rows that a query finds in the small log, and why it finds none where it cannot be
    understood."""
    import duckdb

    database = duckdb.connect(":memory:", config={"enable_external_access": "false"})
    database.execute(
        'CREATE TABLE lines ("user" TEXT, server TEXT, status INT, path TEXT, service_s DOUBLE)'
    )
    one_customer = (
        "INSERT INTO lines SELECT ?, ?, IF(i < ?, 500, 200), '/', 0.01 FROM range(?) t(i)"
    )
    for user, server, requests, failed in SMALL_LOG:
        database.execute(one_customer, (user, server, failed, requests))
    try:
        return database.execute(query).fetchall(), ""
    except duckdb.Error as error:
        return [], str(error).splitlines()[0].rstrip(".")


def _first_row(query: str) -> tuple[Any, ...]:
    rows, _reason = _asked(query)
    return rows[0] if rows else ()


def _names(user: str) -> Callable[[str], bool]:
    """A test of queries: whether this customer is in the first row that they find."""
    return lambda query: user in _first_row(query)


def _says(wanted: float) -> Callable[[str], bool]:
    """A test of queries: whether the one number they find is this one."""

    def holds(query: str) -> bool:
        rows, _reason = _asked(query)
        # DuckDB gives decimals for some sums.
        numbers = [float(cell) for cell in rows[0] if not isinstance(cell, str)] if rows else []
        return len(rows) == 1 and len(numbers) == 1 and is_near(numbers[0], wanted)

    return holds


def _is_refused(query: str) -> bool:
    return bool(_asked(query)[1])


def _refusal(query: str) -> str:
    return _("Then the log would answer: {reason}.").format(reason=_asked(query)[1])


_REFUSED = {
    "when": _is_refused,
    "then": _refusal,
    "ask": _("Which word of your question does it not know, or where does a word stand too early?"),
}


def _read(
    times: int | None = None, queue_at: str | None = None, itself_ms: float | None = None
) -> Callable[[Any], bool]:
    """A test of the three things read from the stranger's waterfall; None takes any."""

    def holds(reading: Any) -> bool:
        if not is_list_of(reading, 3):
            return False
        named = queue_at is None or str(reading[1]).strip().lower() == queue_at
        numbers = zip((reading[0], reading[2]), (times, itself_ms), strict=True)
        return named and all(want is None or is_near(got, want) for got, want in numbers)

    return holds


_BY_CUSTOMER = "FROM lines GROUP BY user ORDER BY"

EXERCISES = (
    Exercise(
        id="14.customer",
        number=1,
        kind="compute",
        title=_("Find the customer in SQL"),
        is_right=_names("poor"),
        right_answers=(
            f"SELECT user {_BY_CUSTOMER} count_if(status >= 500) / count(*) DESC LIMIT 1",
            f"SELECT user, avg((status >= 500)::INT) AS share {_BY_CUSTOMER} share DESC",
            "WITH of_each AS (SELECT user, count_if(status >= 500) AS failed, count(*) AS requests "
            "FROM lines GROUP BY user) SELECT user FROM of_each ORDER BY failed / requests DESC",
        ),
        because=_("In the small log, too, it found the customer of whose requests all failed."),
        mistakes=(
            Mistake(answer="SELECT user FRM lines", **_REFUSED),
            Mistake(
                answer="SELECT user, status FROM lines ORDER BY status DESC LIMIT 1",
                when=lambda query: not _GROUPED.search(query),
                then=_("Then the answer would be one failed request, and not a customer's share."),
                ask=_("Which words put all rows of the same customer into one?"),
            ),
            Mistake(
                answer="SELECT user, count(*) FROM lines WHERE status >= 500 GROUP BY user "
                "ORDER BY count(*) DESC LIMIT 1",
                when=_BY_LINE.search,
                then=_("Then everybody's good answers would be gone before anything is divided."),
                ask=_("By which number of requests do you divide, if only failed ones are left?"),
            ),
            Mistake(
                answer=f"SELECT user {_BY_CUSTOMER} count_if(status >= 500) DESC LIMIT 1",
                when=_names("regular"),
                then=_("Then a customer who asks often would be called, for asking often."),
                ask=_("What must the number of failures be divided by?"),
            ),
            Mistake(
                answer=f"SELECT user {_BY_CUSTOMER} count(*) DESC LIMIT 1",
                when=_names("busy"),
                then=_("Then you would call somebody for whom everything works."),
                ask=_("Which number do you put in order, and is the greatest first?"),
            ),
            Mistake(
                answer=f"SELECT user {_BY_CUSTOMER} count_if(status >= 500) / count(*), user DESC",
                when=_names("glad"),
                then=_("Then you would call somebody for whom everything works."),
                ask=_("Which word after ORDER BY puts the greatest first?"),
            ),
            Mistake(
                answer=f"SELECT count_if(status >= 500) {_BY_CUSTOMER} 1 DESC LIMIT 1",
                when=lambda query: bool(_asked(query)[0]),
                then=_("Then you would have a number, and nobody to write to."),
                ask=_("Is the customer's name among the columns after SELECT?"),
            ),
        ),
        otherwise=_("What is in the first row that your question finds?"),
        hints=(
            _("You want one row a customer: SELECT user FROM lines GROUP BY user."),
            _("Their share is count_if(status >= 500) / count(*). Put the rows in its order."),
        ),
    ),
    Exercise(
        id="14.average",
        number=2,
        kind="mend",
        title=_("A report that averages averages"),
        is_right=_says(SHARE_IN_ALL),
        right_answers=(
            "SELECT count_if(status >= 500) / count(*) FROM lines",
            "SELECT avg((status >= 500)::INT) AS share FROM lines",
            "SELECT sum(failed) / sum(requests) FROM (SELECT server, count(*) AS requests, "
            "count_if(status >= 500) AS failed FROM lines GROUP BY server)",
        ),
        because=_("Each request counts once now, whichever server it came to."),
        mistakes=(
            Mistake(answer="SELECT avg(failed) FROM lines", **_REFUSED),
            Mistake(
                answer="SELECT avg(error_share) FROM (SELECT server, count_if(status >= 500) / "
                "count(*) AS error_share FROM lines GROUP BY server)",
                when=_says(MEAN_OF_SHARES),
                then=_("Then one request at the small server would weigh as much as many others."),
                ask=_("How often should each request count?"),
            ),
            Mistake(
                answer="SELECT 100 * count_if(status >= 500) / count(*) FROM lines",
                when=_says(100 * SHARE_IN_ALL),
                then=_("Then a share would be greater than 1."),
                ask=_("Is the report in per cent, or a share from 0 to 1?"),
            ),
            Mistake(
                answer="SELECT count_if(status >= 500) FROM lines",
                when=_says(FAILED),
                then=_("Then a month with more customers would always look worse."),
                ask=_("By what is the number of errors divided?"),
            ),
            Mistake(
                answer="SELECT count_if(status >= 500) / count(*) FROM lines GROUP BY server",
                when=lambda query: len(_asked(query)[0]) > 1,
                then=_("Then the baker would have a number a row, and still no answer."),
                ask=_("What happens if nothing is grouped at all?"),
            ),
        ),
        otherwise=_("Which one number does your query find, and what is it a share of?"),
        hints=(
            _("The mean of shares is right only if all servers have equally many requests."),
            _("Count the failed ones of all, count all, and divide once."),
        ),
    ),
    Exercise(
        id="14.keep",
        number=3,
        kind="choose",
        title=_("What to keep of a log"),
        is_right=defends("c"),
        right_answers=(
            ["c", "All errors stay, so a letter can be answered. The rest is whole and fits."],
            ("C", "실패한 요청은 모두 남습니다. 나머지는 요청 ID로 뽑아서 따라갈 수 있습니다."),
        ),
        because=_("Whether your two sentences convince the baker, only the baker can say."),
        mistakes=(
            Mistake(
                answer=["a", "Then nothing is hidden. We can ask anything."],
                when=chose("a"),
                then=_("Then the bill would be nearly ten times the budget."),
                ask=_("How many GB are 200 requests/s, on three servers, 250 bytes, 30 days?"),
            ),
            Mistake(
                answer=["b", "It fits the budget. A tenth is a good sample."],
                when=chose("b"),
                then=_("Then of a thousand slow requests hardly one would have all its lines."),
                ask=_("If each of three servers keeps a line in ten, how often all three of one?"),
            ),
            Mistake(
                answer=["d", "Errors are what matters. It is the cheapest."],
                when=chose("d"),
                then=_("Then a request that is slow but does not fail could never be followed."),
                ask=_("Which of the two wishes is not met, and what would meet it?"),
            ),
            Mistake(
                answer=["c", "It fits."],
                when=chose("c"),
                then=_("Then the baker would ask: and who is not found any more?"),
                ask=_("Can you say it in two sentences?"),
            ),
            a_letter_alone("c"),
        ),
        otherwise=_("Which of the letters a, b, c and d is it, and which two sentences defend it?"),
        hints=(
            _("Work out the GB of each first: `kept_gb` above does it."),
            _("Two fit that keep whole requests. Which of them still has slow ones in it?"),
        ),
    ),
    Exercise(
        id="14.stranger",
        number=4,
        kind="read",
        title=_("A stranger's waterfall"),
        is_right=_read(2, "payments", 120),
        right_answers=([2, "payments", 120], (2, "Payments", 120.0)),
        because=_("The second try had to queue: whoever tries again adds to the load."),
        mistakes=(
            Mistake(
                answer=[1, "payments", 120],
                when=_read(times=1),
                then=_("Then the 503 would have been the end of it."),
                ask=_("How many lines has payments, and what is the status of each?"),
            ),
            Mistake(
                answer=[4, "payments", 120],
                when=_read(times=4),
                then=_("Then all four servers would be the same one."),
                ask=_("Which of the lines are about payments?"),
            ),
            Mistake(
                answer=[2, "seats", 120],
                when=lambda reading: (
                    is_list_of(reading, 3) and not _read(queue_at="payments")(reading)
                ),
                then=_("Then its wait would not be 0."),
                ask=_("In which line is the wait more than nothing?"),
            ),
            Mistake(
                answer=[2, "payments", 860],
                when=_read(itself_ms=860),
                then=_("Then seats would be to blame for the time that it only waited."),
                ask=_("For how long of these was payments at work?"),
            ),
            Mistake(
                answer=[2, "payments", 560],
                when=_read(itself_ms=560),
                then=_("Then the second try would have cost seats no time."),
                ask=_("From when to when did the second try last?"),
            ),
            Mistake(
                answer=[2, "payments", 320],
                when=_read(itself_ms=320),
                then=_("Then seats would be at work while its request stood in another's queue."),
                ask=_("Does seats wait while payments lets the request wait?"),
            ),
            Mistake(
                answer=[2, "payments", 160],
                when=_read(itself_ms=160),
                then=_("Then web's time would be seats' time."),
                ask=_("In which line do you begin: whose 860 ms are divided up?"),
            ),
        ),
        otherwise=_("What does each of the three parts of your answer say, one after the other?"),
        hints=(
            _("A line's end is arrived + wait + service. Draw the four bars on paper."),
            _("Of the bar of seats, take away what lies over the two bars of payments."),
        ),
    ),
    Exercise(
        id="14.explain",
        number=5,
        kind="explain",
        title=_("Answer the letter"),
        is_right=explains(_SPEAKS_OF_ALL, without=_JARGON),
        right_answers=(
            "We looked at all customers together, and almost all were well. "
            "We should have looked at each of you.",
            "저희는 모든 손님을 합쳐서만 보았습니다. 그래서 한 분의 어려움이 보이지 않았습니다.",
        ),
        because=_(
            "The check saw two sentences that speak of all and of one. Whether the customer "
            "orders again, only the customer can say."
        ),
        mistakes=(
            Mistake(
                answer="We looked at all.",
                when=is_brief,
                then=_("Then she would ask: and why did that hide me?"),
                ask=_("Can you say in a second sentence what you did not look at?"),
            ),
            Mistake(
                answer="Our dashboard shows the error rate of all. Your status was 500.",
                when=_JARGON.search,
                then=_("Then she would buy her bread from somebody who speaks as she does."),
                ask=_("Which of your words has somebody who buys bread never needed?"),
            ),
            Mistake(
                answer="We are sorry. It was bad luck.",
                when=lambda text: isinstance(text, str) and not _SPEAKS_OF_ALL.search(text),
                then=_("Then she would still not know why nobody saw it."),
                ask=_("At whom did you look, and at whom did you not?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("Think of a teacher who knows the mean mark of the class, and no pupil."),
            _("One sentence about looking at all, one about looking at each."),
        ),
    ),
    Exercise(
        id="14.parcels",
        number=6,
        kind="transfer",
        title=_("The parcels"),
        is_right=lambda percent: is_near(percent, 0.15, 0.02),
        right_answers=(0.15, 100 * 30 / 19_950, 0.1504),
        because=_(
            "30 late parcels among 19,950. The other 50, more than half of all late ones, go to "
            "one village."
        ),
        mistakes=(
            Mistake(
                answer=0.4,
                when=lambda percent: is_near(percent, 0.4),
                then=_("Then the village would have had no more late parcels than the others."),
                ask=_("How many parcels are late in all, and how many of these are the village's?"),
            ),
            Mistake(
                answer=0.25,
                when=lambda percent: is_near(percent, 0.25),
                then=_("That is what the village alone adds to the share in all."),
                ask=_("How many late parcels are left for the other places?"),
            ),
            Mistake(
                answer=0.0015,
                when=lambda percent: is_near(percent, 0.0015, 0.02),
                then=_("Then fewer than one parcel would be late."),
                ask=_("In which unit is your number, and which one is wanted?"),
            ),
            Mistake(
                answer=30,
                when=lambda percent: is_near(percent, 30),
                then=_("That is how many parcels are late elsewhere, a fine step on the way."),
                ask=_("Among how many parcels to other places are they?"),
            ),
            Mistake(
                answer=37.5,
                when=lambda percent: is_near(percent, 37.5),
                then=_("That is which part of the late parcels goes to other places."),
                ask=_("And which part of the parcels to other places is late?"),
            ),
        ),
        otherwise=_("How many parcels go to other places, and how many of those are late?"),
        hints=(
            _("0.4 % of 20,000 are late. Take the village's away from them."),
            _("Then take the village's away from all parcels, too, and divide."),
        ),
    ),
)
