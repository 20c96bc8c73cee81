"""The rules of fit between one model and one set of features.

A list of its own, since CON001 runs them for every other bundle.
"""

from typing import Final

from trilock.compat.rule import Rule
from trilock.compat.rules import (
    fit001_feature_missing,
    fit002_signature_missing,
    fit003_type_refused,
    fit004_data_dependent,
    fit005_missing_row,
    fit006_aware_time,
    fit007_duplicate_input,
    fit008_column_collision,
    fit009_unordered_inputs,
    fit010_tensor_frame,
    fit011_optional_missing,
    fit012_unchecked,
    fit013_request_field,
    fit014_service_broken,
    fit015_sink_type,
    fit016_sink_column_missing,
    fit017_output_changed,
    fit018_sink_narrower,
)

FIT_RULES: Final[tuple[Rule, ...]] = (
    fit001_feature_missing.RULE,
    fit002_signature_missing.RULE,
    fit003_type_refused.RULE,
    fit004_data_dependent.RULE,
    fit005_missing_row.RULE,
    fit006_aware_time.RULE,
    fit007_duplicate_input.RULE,
    fit008_column_collision.RULE,
    fit009_unordered_inputs.RULE,
    fit010_tensor_frame.RULE,
    fit011_optional_missing.RULE,
    fit012_unchecked.RULE,
    fit013_request_field.RULE,
    fit014_service_broken.RULE,
    fit015_sink_type.RULE,
    fit016_sink_column_missing.RULE,
    fit017_output_changed.RULE,
    fit018_sink_narrower.RULE,
)
