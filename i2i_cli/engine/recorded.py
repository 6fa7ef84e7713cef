"""Steps recorded once as CUDA graphs and replayed: the device is given a whole step at a time.

A step is thousands of small kernels, and launching them one by one takes several times as long as they
run. What is recorded are the kernels and the memory they work on. So all that a step reads
lies in tensors that stay where they are: its batch, the weights of its terms, the learning rate, the
place of its crop (`engine/schedule.py`); and nothing in a step may wait for the device or depend on what
is in a tensor. Steps with other turns, other terms or another batch are recorded apart.
"""

from collections import Counter
from collections.abc import Callable, Hashable
from typing import Any

import torch

from i2i_cli.engine.schedule import Schedule
from i2i_cli.errors import ConfigError, I2IError
from i2i_cli.models.family import Batch
from i2i_cli.models.peers import Peers

EAGER = 3
"""Steps of a kind that are played as they are before it is recorded: what is made once is there by then."""


def check_recording(wanted: bool | str, device: torch.device) -> None:
    """Refuse `TrainingConfig.recorded` = true where nothing can be recorded.

    Raises:
        ConfigError: `device` is no GPU of CUDA.
    """
    if wanted is True and device.type != "cuda":
        raise ConfigError(f"steps cannot be recorded on {device.type}, only on cuda", 'use training.recorded="auto"')


class Recorder:
    """Plays steps: as they are at first, then recorded.

    Args:
        wanted: `TrainingConfig.recorded`.
        schedule: its generator, of all draws of a step, is seeded anew before each.
        note: is told why steps are not recorded.

    Raises:
        ConfigError: recording is asked for where there is none.
    """

    def __init__(
        self,
        wanted: bool | str,
        device: torch.device,
        peers: Peers,
        schedule: Schedule,
        note: Callable[[str], None],
    ) -> None:
        if wanted is True and device.type != "cuda":
            raise ConfigError(
                f"steps cannot be recorded on {device.type}, only on cuda", 'use training.recorded="auto"'
            )
        # "auto": a recorded exchange between processes was never tried on more than one GPU.
        self.records = device.type == "cuda" and (wanted is True or (wanted == "auto" and peers.count == 1))
        self._must, self._schedule, self._note = wanted is True, schedule, note
        self._graphs: dict[Hashable, torch.cuda.CUDAGraph] = {}
        self._inputs: dict[Hashable, Batch] = {}
        self._played: Counter[Hashable] = Counter()
        self._pool: Any = None  # a handle, once there are graphs

    @property
    def num_recorded(self) -> int:
        """How many kinds of steps are replayed by now."""
        return len(self._graphs)

    def play(self, kind: Hashable, batch: Batch, step: Callable[[Batch], None]) -> None:
        """Do what `step(batch)` does.

        Args:
            kind: steps of one kind launch the same kernels on tensors of the same sizes.
            step: leaves all that it computes in tensors that outlast it.
        """
        if not self._played[kind]:
            self.free()
        if self.records and self._played[kind] >= EAGER and kind not in self._graphs:
            self._record(kind, batch, step)
        self._played[kind] += 1
        graph = self._graphs.get(kind)
        if graph is None:
            return step(batch)
        for kept, given in zip(self._inputs[batch.images.shape], batch, strict=True):
            kept.copy_(given, non_blocking=True)
        graph.replay()

    def free(self) -> None:
        """Give back what recordings hold: memory that an eager step cannot use. They are made anew when needed."""
        if self._graphs:
            torch.cuda.synchronize()  # the last of them may still run
        self._graphs.clear()
        self._inputs.clear()
        self._pool = None

    def forget(self) -> None:
        """Begin anew: what the recordings work on was replaced."""
        self.free()
        self._played.clear()

    def _record(self, kind: Hashable, batch: Batch, step: Callable[[Batch], None]) -> None:
        inputs = self._inputs.setdefault(batch.images.shape, Batch(batch.images.clone(), batch.y.clone()))
        graph = torch.cuda.CUDAGraph()
        graph.register_generator_state(self._schedule.generator)
        self._pool = self._pool or torch.cuda.graph_pool_handle()  # graphs take turns, so one memory serves all
        try:
            # Thread-local: other threads may go on allocating pinned memory.
            with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
                step(inputs)
            self._graphs[kind] = graph
        except Exception as error:  # whatever a family does that no graph can hold; torch has many words for it
            # The end of a recording that failed raises an error of its own over the one that tells why.
            reason = (str(error.__context__ or error).strip() or type(error).__name__).splitlines()[0]
            if self._must:
                raise I2IError(
                    f"a step of this training cannot be recorded: {reason}", 'use training.recorded="auto"'
                ) from error
            self.records = False
            self.free()  # earlier recordings draw from the generator that is given up here
            self._schedule.renew_generator()  # this one waits for its recording to end
            self._note(f"steps run eagerly, which is slower: they cannot be recorded ({reason})")
        self._schedule.rewind_generator()
