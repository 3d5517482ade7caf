from safetygear_training.latency import interleaved, summary


def test_runs_take_turns():
    order = []
    interleaved({"a": lambda: order.append("a"), "b": lambda: order.append("b")}, rounds=3)
    assert order[-6:] == ["a", "b"] * 3


def test_the_ratio_is_of_times_of_the_same_round():
    rows = summary({"first": [10.0, 20.0, 40.0], "half": [5.0, 10.0, 20.0]})
    assert rows["first"]["ratio"] == 1.0
    assert rows["half"] == {"p25_ms": 7.5, "median_ms": 10.0, "ratio": 0.5}
