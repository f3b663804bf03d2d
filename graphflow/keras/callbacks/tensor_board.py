"""`TensorBoard`: the numbers of each epoch as event files."""

from __future__ import annotations

from typing import Any

from graphflow.keras.callbacks.base import Callback
from graphflow.summary import FileWriter, Summary


class TensorBoard(Callback):
    """Writes the logs of each epoch, tagged `epoch_loss` and so on, to event files in `log_dir`.

    update_freq: "epoch", "batch" for every batch too (tagged `batch_loss`), or a number of
    samples. Graphs, histograms, images, embeddings and profiles are accepted and not written.
    """

    def __init__(
        self, log_dir: str = "logs", histogram_freq: int = 0, batch_size: int = 32,
        write_graph: bool = True, write_grads: bool = False, write_images: bool = False,
        embeddings_freq: int = 0, embeddings_layer_names: Any = None,
        embeddings_metadata: Any = None, embeddings_data: Any = None,
        update_freq: str | int = "epoch", profile_batch: int = 2,
    ) -> None:
        super().__init__()
        self.log_dir, self.update_freq = log_dir, update_freq
        self._writer: FileWriter | None = None
        self._samples = self._written = 0

    def on_train_begin(self, logs: Any = None) -> None:
        """Opens the file."""
        self._writer = FileWriter(self.log_dir)

    def on_batch_end(self, batch: int, logs: Any = None) -> None:
        """Writes the numbers of a batch, if they are wanted."""
        if self.update_freq == "epoch":
            return
        self._samples += int((logs or {}).get("size", 1))
        gap = 1 if self.update_freq == "batch" else int(self.update_freq)
        if self._samples - self._written >= gap:
            self._written = self._samples
            self._write("batch_", logs, self._samples)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        """Writes the numbers of an epoch."""
        self._write("epoch_", logs, epoch)

    def on_train_end(self, logs: Any = None) -> None:
        """Closes the file."""
        if self._writer is not None:
            self._writer.close()

    def _write(self, prefix: str, logs: Any, step: int) -> None:
        values = [Summary.Value(prefix + name, float(value)) for name, value in
                  dict(logs or {}).items() if name not in ("batch", "size", "num_steps")]
        if self._writer is not None:
            self._writer.add_summary(Summary(values), step)
            self._writer.flush()
