import torch
from tests.conftest import Run

from multihead.tracking.find import find_run
from multihead.tracking.store import Store
from multihead.training.telemetry import Telemetry


def test_the_gradient_norm_is_of_all_parameters_every_few_steps() -> None:
    telemetry = Telemetry(every=2)
    parameters = [torch.nn.Parameter(torch.zeros(2)), torch.nn.Parameter(torch.zeros(1))]
    optimizer = torch.optim.SGD(parameters, lr=0.1)
    optimizer.register_step_post_hook(telemetry._after_step)
    for scale in (1.0, 100.0, 2.0):
        parameters[0].grad = torch.tensor([3.0, 0.0]) * scale
        parameters[1].grad = torch.tensor([4.0]) * scale
        optimizer.step()
    assert [float(norm) for norm in telemetry._norms] == [5.0, 10.0]
    other = Telemetry()
    other.load_state_dict(telemetry.state_dict())
    assert other.state_dict() == {"steps": 3, "norms": [5.0, 10.0]}


def test_norm_and_speed_are_logged_once_an_epoch_and_have_no_best(train: Run, store: Store) -> None:
    result = train("trainer.max_epochs=2", "data.batch_size=32", "test=false")
    found = find_run(store, result.run_id)
    for name in ("grad_norm", "system/images_per_second"):
        points = store.client.get_metric_history(found.info.run_id, name)
        assert [point.step for point in points] == [4, 8]
        assert all(0 < point.value < 1e7 for point in points)
        assert f"best/{name}" not in found.data.metrics
    assert "system/memory_percent" in found.data.metrics
