"""The exercises of lesson 00, start here."""

import re
from typing import Any

from devops_lab.questions import Exercise, Mistake
from devops_lab.questions.answers import (
    chose,
    is_brief,
    is_list_of,
    is_near,
    letter,
    sentences,
    told_in_jargon,
)
from devops_lab.translation import _

_ADDRESS = "http://127.0.0.1:8000/menu.html"
_ADDRESSES = (_ADDRESS, "http://localhost:8000/menu.html")


def _is_mended(addresses: Any) -> bool:
    return is_list_of(addresses, 4) and all(one.strip() in _ADDRESSES for one in addresses)


def _wrong_address(line: int, address: str, pattern: str, then: str, ask: str) -> Mistake:
    """The mistake of leaving or making one line so; what is said names the line that is."""

    def wrong_lines(addresses: Any) -> list[int]:
        return [n for n, one in enumerate(addresses, 1) if re.search(pattern, one)]

    return Mistake(
        answer=[address if n == line else _ADDRESS for n in range(1, 5)],
        when=lambda addresses: is_list_of(addresses, 4) and bool(wrong_lines(addresses)),
        then=lambda addresses: then.format(line=wrong_lines(addresses)[0]),
        ask=ask,
    )


_WHO_WORDS = re.compile(
    r"program|software|server|shop|counter|clerk|staff|nobody|no one|"
    r"프로그램|소프트웨어|서버|점원|직원|종업원|가게|아무도",
    re.IGNORECASE,
)
_STOP_WORDS = re.compile(
    r"stop|ended|crash|(not|n.t|no longer) (running|working|there|on)|closed|locked|asleep|"
    r"(switched|turned|was|is|went|shut) (off|down)|nobody|no one|"
    r"멈|꺼|종료|중단|죽|닫|쉬|없었|아무도|(실행|작동|동작)(되|하)?지",
    re.IGNORECASE,
)
_LOSS_WORDS = re.compile(r"delet|erase|remove|lost|삭제|지워|사라", re.IGNORECASE)
_NOT_WORDS = re.compile(r"\b(not|no|nothing|never)\b|n.t\b|않|아니|아닙|없", re.IGNORECASE)
_JARGON = re.compile(
    r"\b(process|pid|port|http|localhost|kernel|status code|[45]0[0-9])|"
    r"프로세스|포트|커널|상태 코드",
    re.IGNORECASE,
)


def _blames_a_loss(text: str) -> bool:
    return any(_LOSS_WORDS.search(one) and not _NOT_WORDS.search(one) for one in sentences(text))


def _says_who_stopped(text: str) -> bool:
    return bool(_WHO_WORDS.search(text) and _STOP_WORDS.search(text))


def _explains(text: Any) -> bool:
    return (
        len(sentences(text)) >= 2
        and _says_who_stopped(text)
        and not _blames_a_loss(text)
        and not _JARGON.search(text)
    )


EXERCISES = (
    Exercise(
        id="00.gone",
        number=1,
        kind="read",
        title=_("What a reload shows after the server has stopped"),
        is_right=lambda answer: letter(answer) == "c",
        right_answers=("c", " C"),
        because=_("Nobody listens at that port any more, so nobody can even say not found."),
        mistakes=(
            Mistake(
                answer="a",
                when=lambda answer: letter(answer) == "a",
                then=_(
                    "Then the page would have to come from somewhere else, now that its "
                    "program has ended."
                ),
                ask=_("What did your browser show when you reloaded the tab?"),
            ),
            Mistake(
                answer="b",
                when=lambda answer: letter(answer) == "b",
                then=_("Then somebody would have to be there to write and send that error page."),
                ask=_("Whose program could have sent it, now that the bakery's has stopped?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it?"),
        hints=(
            _("Reload the tab that you left open, and read what it says. Whose words are these?"),
            _("An error page of the bakery is an answer too. Who could have sent one?"),
        ),
    ),
    Exercise(
        id="00.who_failed",
        number=2,
        kind="read",
        title=_("Whose mistake was it?"),
        is_right=lambda statuses: (
            is_list_of(statuses, 3)
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
                answer=["404", "500", None],
                when=lambda statuses: any(isinstance(status, str) for status in statuses),
                then=_("In quotes it is a text: Python does not take “404” for the number 404."),
                ask=_("How do you write a number, and how None, without quotes?"),
            ),
            Mistake(
                answer=[404, 500],
                when=lambda statuses: len(statuses) != 3,
                then=_(
                    "Then one of the three customers would have no line, or a fourth one would."
                ),
                ask=_("Which status did each of the three get, in their order?"),
            ),
            Mistake(
                answer=[500, 404, None],
                when=lambda statuses: is_list_of(statuses, 3) and list(statuses[:2]) == [500, 404],
                then=_(
                    "Then a customer's typing mistake would wake up the person on duty, and "
                    "a broken server would not."
                ),
                ask=_("Which of the two groups, 4xx or 5xx, is about the one who asks?"),
            ),
            Mistake(
                answer=[404, 500, 404],
                when=lambda statuses: is_list_of(statuses, 3) and statuses[2] == 404,
                then=_("Then a server would have answered the third customer: not found."),
                ask=_("Who would have sent that 404, if nobody could be connected to?"),
            ),
            Mistake(
                answer=[404, 500, 500],
                when=lambda statuses: is_list_of(statuses, 3) and statuses[2] is not None,
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
        is_right=lambda capacity: is_near(capacity, 50),
        right_answers=(50, 50.0, 4 / 0.08),
        because=_("Each of the four workers finishes 12.5 requests a second."),
        mistakes=(
            Mistake(
                answer=12.5,
                when=lambda capacity: is_near(capacity, 12.5),
                then=_("That is one worker's share; three workers would stand idle."),
                ask=_("How many requests are worked on at the same time?"),
            ),
            Mistake(
                answer=0.05,
                when=lambda capacity: is_near(capacity, 0.05),
                then=_("Then the bigger server would finish one request in twenty seconds."),
                ask=_("In which unit is 80 ms when the answer counts requests per second?"),
            ),
            Mistake(
                answer=320,
                when=lambda capacity: is_near(capacity, 320),
                then=_(
                    "Then a slower page, with more work in it, would give more requests a second."
                ),
                ask=_("Should a longer service time make the capacity larger or smaller?"),
            ),
            Mistake(
                answer=0.32,
                when=lambda capacity: is_near(capacity, 0.32),
                then=_("Then this server would finish less than one request a second."),
                ask=_(
                    "Is the time for each request multiplied by the workers, or divided into them?"
                ),
            ),
            Mistake(
                answer=20,
                when=lambda capacity: is_near(capacity, 20),
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
        is_right=_is_mended,
        right_answers=([_ADDRESS] * 4, [_ADDRESSES[1]] * 4),
        because=_("Scheme, host, port and path, each behind its own sign."),
        mistakes=(
            _wrong_address(
                1,
                "html://127.0.0.1:8000/menu.html",
                r"^\s*(?!http:)",
                _("Line {line}: then the browser would look for a language that it cannot speak."),
                _("What is the language called that browsers and servers speak?"),
            ),
            _wrong_address(
                2,
                "http://127.0.0.1.8000/menu.html",
                r"127\.0\.0\.1\.8000",
                _("Line {line}: then all five numbers together would be taken for the host."),
                _("Which sign stands between host and port?"),
            ),
            _wrong_address(
                3,
                "http://127.0.0.1:80000/menu.html",
                r":80000",
                _("Line {line}: then the browser would refuse, for ports end at 65535."),
                _("Which port does the text above the exercise name?"),
            ),
            _wrong_address(
                4,
                "http://127.0.0.1:8000menu.html",
                r":8000[^/]",
                _("Line {line}: then the browser would try to read the whole rest as a port."),
                _("Which sign does every path begin with?"),
            ),
            _wrong_address(
                2,
                "http://127.0.0.1/menu.html",
                r"//[^:/]+(/|$)",
                _("Line {line}: then the browser would ask at port 80, where http usually is."),
                _("Where in the address does this lesson's server need its own port?"),
            ),
        ),
        otherwise=_("Which of the four is still not like the other ones, and in which part?"),
        hints=(
            _("Compare each with the table of the four parts, sign by sign."),
            _("A wrong word, a wrong sign, a digit too many, a sign too few: one in each line."),
        ),
    ),
    Exercise(
        id="00.choose",
        number=5,
        kind="choose",
        title=_("Money for one thing"),
        is_right=lambda decision: chose("c")(decision) and len(decision[1].split()) >= 3,
        right_answers=(
            ["c", "Its capacity is the only one above the load."],
            ("C", "(c)만 초당 60건보다 많이 처리합니다."),
        ),
        because=_(
            "It is the only one with room above 60 requests a second. Making the work smaller is "
            "often cheaper than buying workers."
        ),
        mistakes=(
            Mistake(
                answer=["a", "It is the cheapest of them."],
                when=chose("a"),
                then=_(
                    "Then the capacity would be 40 requests a second, and the queue would grow."
                ),
                ask=_("What is workers divided by service time for each of the three?"),
            ),
            Mistake(
                answer=["b", "Its capacity is as large as the load."],
                when=chose("b"),
                then=_(
                    "Then capacity and load would be equal: a queue that has formed once, after "
                    "one late second, never gets shorter again."
                ),
                ask=_("Which choice leaves some room above the load?"),
            ),
            Mistake(
                answer=["c", "Trust me."],
                when=chose("c"),
                then=_("Then the baker, who pays, would ask: and why not one of the others?"),
                ask=_("Which two numbers did you compare, in one line?"),
            ),
            Mistake(
                answer="c",
                when=letter,
                then=_("Then the baker would have to take your word for it."),
                ask=_("Can you give a letter and a line of reasons, each in quotation marks?"),
            ),
        ),
        otherwise=_("Which of the letters a, b and c is it, and which line defends it?"),
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
        is_right=_explains,
        right_answers=(
            "The files were still there. The program that hands them out had stopped running.",
            "The shop was full of bread. But nobody stood behind the counter!",
            "파일은 그대로 있었습니다. 파일을 건네주는 서버 프로그램이 멈춰 있었습니다.",
            "The files were in the shop. But the shop was closed!",
            "빵은 그대로 있었습니다. 빵을 건네줄 점원이 없었습니다.",
            "파일이 삭제된 것은 아닙니다.\n서버가 꺼져 있었습니다.",
        ),
        because=_(
            "The check saw two sentences that say who had stopped working. Whether the baker "
            "understands them, only the baker can say: try it on somebody."
        ),
        mistakes=(
            Mistake(
                answer="The server had stopped.",
                when=is_brief,
                then=_("Then the baker would ask: but where are my files now?"),
                ask=_("Can you say in a second sentence what became of the files?"),
            ),
            Mistake(
                answer="The files had been deleted. So the server stopped.",
                when=_blames_a_loss,
                then=_("Then the baker would ask for yesterday's copy, and nothing would change."),
                ask=_("What did the list of the folder show after the server had stopped?"),
            ),
            told_in_jargon(
                "The process at this port had stopped. Nobody listened to HTTP.",
                _JARGON,
            ),
            Mistake(
                answer="The internet was slow today. The files were there.",
                when=lambda text: not _says_who_stopped(text),
                then=_("Then the baker would look for the files, or call the telephone company."),
                ask=_("What has to be running for a page to be handed out, and was it?"),
            ),
        ),
        otherwise=_("Can you write it as two sentences of text, in quotation marks?"),
        hints=(
            _("One sentence about the files on the disk, one about who hands them out."),
            _("Think of a shop full of bread with nobody behind the counter."),
        ),
    ),
)
