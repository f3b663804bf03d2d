"""`SignatureDef`: named inputs and outputs, in TensorFlow's form."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphflow.errors import GraphError
from graphflow.export.signatures import Signature
from graphflow.saved_model import signature_constants as names
from graphflow.saved_model.utils import TensorInfo, build_tensor_info


@dataclass(frozen=True, slots=True)
class SignatureDef:
    """Inputs and outputs by name, and what the signature is for.

    Attributes:
      inputs, outputs: name → TensorInfo.
      method_name: one of the METHOD_NAMEs of `signature_constants`.
    """

    inputs: Mapping[str, TensorInfo] = field(default_factory=dict)
    outputs: Mapping[str, TensorInfo] = field(default_factory=dict)
    method_name: str = ""

    def signature(self) -> Signature:
        """The same as `gf.Signature`."""
        return Signature({k: v.value for k, v in self.inputs.items()},
                         {k: v.value for k, v in self.outputs.items()})


def build_signature_def(
    inputs: Mapping[str, TensorInfo] | None = None,
    outputs: Mapping[str, TensorInfo] | None = None, method_name: str | None = None,
) -> SignatureDef:
    """A SignatureDef from TensorInfos."""
    return SignatureDef(dict(inputs or {}), dict(outputs or {}), method_name or "")


def predict_signature_def(
    inputs: Mapping[str, Any], outputs: Mapping[str, Any]
) -> SignatureDef:
    """The signature of a prediction, from tensors. Raises GraphError if one side is empty."""
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if not given:
            raise GraphError(f"predict_signature_def: {what} cannot be empty.")
    return SignatureDef({k: build_tensor_info(v) for k, v in inputs.items()},
                        {k: build_tensor_info(v) for k, v in outputs.items()},
                        names.PREDICT_METHOD_NAME)


def regression_signature_def(examples: Any, predictions: Any) -> SignatureDef:
    """The signature of a regression, from the tensors of examples and predictions."""
    return SignatureDef({names.REGRESS_INPUTS: build_tensor_info(examples)},
                        {names.REGRESS_OUTPUTS: build_tensor_info(predictions)},
                        names.REGRESS_METHOD_NAME)


def classification_signature_def(examples: Any, classes: Any, scores: Any) -> SignatureDef:
    """The signature of a classification; classes or scores may be None."""
    given = {names.CLASSIFY_OUTPUT_CLASSES: classes, names.CLASSIFY_OUTPUT_SCORES: scores}
    outputs = {k: build_tensor_info(v) for k, v in given.items() if v is not None}
    if not outputs:
        raise GraphError("classification_signature_def: classes or scores must be given.")
    return SignatureDef({names.CLASSIFY_INPUTS: build_tensor_info(examples)}, outputs,
                        names.CLASSIFY_METHOD_NAME)


def is_valid_signature(signature_def: SignatureDef | None) -> bool:
    """True if there are inputs, outputs and a method of TensorFlow Serving."""
    return signature_def is not None and bool(signature_def.inputs) and bool(
        signature_def.outputs) and signature_def.method_name in (
            names.CLASSIFY_METHOD_NAME, names.PREDICT_METHOD_NAME, names.REGRESS_METHOD_NAME)
