"""Names of files, as in TensorFlow 1, and graphflow's own."""

ASSETS_DIRECTORY = "assets"
VARIABLES_DIRECTORY = "variables"
VARIABLES_FILENAME = "variables"
LEGACY_INIT_OP_KEY = "legacy_init_op"
MAIN_OP_KEY = "saved_model_main_op"
SAVED_MODEL_FILENAME = "saved_model.gflow"
TAGS_COLLECTION = "saved_model_tags"
