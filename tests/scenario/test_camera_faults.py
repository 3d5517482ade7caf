"""Camera faults against the real capture module: named in time, over in time, no harm to the camera beside."""

from __future__ import annotations

import pytest

from support.fault_campaign import FAULTS, SLACK_S, WITNESS_FPS, Campaign, Fault

pytestmark = pytest.mark.scenario


@pytest.fixture(scope="module")
def campaign(tmp_path_factory: pytest.TempPathFactory) -> Campaign:
    running = Campaign(tmp_path_factory.mktemp("faults"))
    running.run()
    return running


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.camera)
def test_a_fault_is_named_in_time_and_over_in_time(campaign: Campaign, fault: Fault) -> None:
    row = campaign.outcomes[fault.camera]
    assert row.detected_s is not None, campaign.log
    assert row.detected_s <= fault.within_s + SLACK_S
    assert row.reported == (fault.state, fault.reason), campaign.log
    assert row.recovered_s is not None, campaign.log
    assert row.recovered_s <= fault.back_within_s + SLACK_S
    assert row.witness_fps > WITNESS_FPS / 2


def test_what_must_not_stop_a_camera_does_not(campaign: Campaign) -> None:
    assert campaign.outcomes["loss"].proof.startswith("states ['streaming'], "), campaign.log
    assert campaign.outcomes["resolution"].proof.startswith("states ['streaming'], "), campaign.log


def test_nothing_unforeseen_is_logged(campaign: Campaign) -> None:
    assert "Traceback" not in campaign.log
    assert "unexpected" not in campaign.log
