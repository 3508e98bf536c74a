__version__ = "0.1.0"

# What a program needs most, loaded when it is first asked for: `import whaledo` alone is quick.
_NAMES = dict(
    load_survey="whale.data.survey",
    demo_survey="whale.data.demo",
    photo_or_grey="whale.data.figures",
    split_whales="whale.data.scenarios",
    standard_scenarios="whale.data.scenarios",
    ModelConfig="whale.model.config",
    load_models="whale.model.inference",
    extract_features="whale.model.inference",
    rank="whale.model.inference",
    rank_scenario="whale.model.inference",
    evaluate="whale.evaluate.evaluation",
    calibrate="whale.evaluate.calibration",
    recipes="whale.train.recipes",
    train="whale.train.training",
    Catalogue="whale.catalogue.store",
)
__all__ = [*_NAMES]


def __getattr__(name):
    if name not in _NAMES:
        raise AttributeError(f"module 'whaledo' has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"whaledo.{_NAMES[name]}"), name)


def __dir__():
    return sorted([*globals(), *_NAMES])
