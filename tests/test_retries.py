import pytest
from truth import expected, truth

from devops_lab import backoff, retries
from devops_lab.scenario import Client, Scenario
from devops_lab.simulate import simulate


@truth("jitter-means")
def test_jitter_has_the_published_means(case):
    ceiling_s = case["inputs"]["ceiling"]
    clients = {name: Client(backoff_s=ceiling_s, jitter=name) for name in ("full", "equal")}
    means = {name: retries.pauses_s(client, 1)[0] for name, client in clients.items()}
    assert means == expected(case)


@truth("retry-uncapped-sum")
def test_doubling_ten_times_takes_half_an_hour(case):
    client = Client(backoff_s=case["inputs"]["base_s"])
    sum_s = retries.pauses_s(client, 11).sum()
    assert {"sum_s": sum_s, "sum_min": sum_s / 60} == expected(case)


@truth("retry-sre-budget")
def test_a_budget_of_a_tenth_makes_the_load_a_tenth_larger(case):
    attempts, budget = case["inputs"]["attempts_per_request"], case["inputs"]["retry_ratio_budget"]
    assert {
        "load_multiplier_without": retries.tries_per_request(attempts),
        "load_multiplier_with": retries.tries_per_request(attempts, retry_budget_share=budget),
    } == expected(case)


@truth("hystrix-defaults-volume")
def test_a_breaker_wants_a_volume_before_it_opens(case):
    tries = zip(case["inputs"]["calls"], case["inputs"]["errors"], strict=True)
    assert {"opens": [retries.is_open(*each) for each in tries]} == expected(case)


def test_three_attempts_over_five_layers_are_243():
    assert retries.tries_at_the_bottom(attempts=3, layers=5) == 243
    assert retries.tries_at_the_bottom(attempts=1, layers=5) == 1
    assert retries.tries_at_the_bottom(3, 5, retry_budget_share=0.1) == pytest.approx(1.1**5)


@pytest.mark.parametrize("error_share", [0.0, 0.1, 0.5, 1.0])
def test_tries_are_as_many_as_simulated_ones(error_share):
    failing = Scenario(1, 1e-9).changed(error_share=error_share, attempts=4)
    tries = len(simulate(failing, 20_000)) / 20_000
    assert tries == pytest.approx(retries.tries_per_request(4, error_share), abs=0.03)


def test_layers_over_one_that_fails_at_random_are_as_many_tries_as_drawn():
    import random

    draw = random.Random(1)

    def asked(layer: int) -> tuple[int, bool]:
        if layer == 0:
            return 1, draw.random() < 0.6
        count = 0
        for _attempt in range(3):
            below, failed = asked(layer - 1)
            count += below
            if not failed:
                break
        return count, failed

    mean = sum(asked(3)[0] for _click in range(20_000)) / 20_000
    assert mean == pytest.approx(retries.tries_at_the_bottom(3, 3, error_share=0.6), rel=0.03)


def test_a_longest_pause_ends_the_doubling():
    client = Client(attempts=5, backoff_s=1.0, longest_backoff_s=3.0)
    assert retries.pauses_s(client).tolist() == [1, 2, 3, 3]
    assert retries.pauses_s(Client(attempts=3, backoff_s=1.0, backoff="fixed")).tolist() == [1, 1]


def test_a_breaker_forgets_what_was_longer_ago_than_its_window():
    settings = backoff.settings_of(
        Client(breaker_error_share=0.5, breaker_requests=4, breaker_window_s=10).numbers()
    )
    memory = backoff.Memory()
    for now_s in (0.0, 0.1, 0.2, 10.5):
        backoff.learn(settings, memory, now_s, True)
    assert not memory.is_open
    for now_s in (10.6, 10.7, 10.8):
        backoff.learn(settings, memory, now_s, True)
    assert memory.is_open


def test_a_trial_that_fails_keeps_a_breaker_open_for_as_long_again():
    settings = backoff.settings_of(
        Client(breaker_error_share=0.5, breaker_requests=1, breaker_open_s=5).numbers()
    )
    memory = backoff.Memory()
    backoff.learn(settings, memory, 0.0, True)
    assert [backoff.lets_out(settings, memory, now_s) for now_s in (1, 5, 6)] == [
        False,
        True,
        False,
    ]
    backoff.learn(settings, memory, 7.0, True)
    assert not backoff.lets_out(settings, memory, 11.0)
    assert backoff.lets_out(settings, memory, 12.0)
    backoff.learn(settings, memory, 12.1, False)
    assert not memory.is_open


def test_what_cannot_be_is_refused():
    with pytest.raises(ValueError, match="For 50 % write 0.5"):
        retries.tries_per_request(3, error_share=50)
    with pytest.raises(ValueError, match="attempts must be at least 1"):
        retries.tries_at_the_bottom(0, 3)
    with pytest.raises(ValueError, match="failures must be at most 3"):
        retries.is_open(3, 4)
