"The package, described by settings.ini alone."
from configparser import ConfigParser

from setuptools import find_packages, setup

cfg = ConfigParser(delimiters=["="])
cfg.read("settings.ini", encoding="utf-8")
s = cfg["DEFAULT"]

setup(
    name=s["lib_name"], version=s["version"], description=s["description"], license="MIT",
    packages=find_packages(include=["whaledo", "whaledo.*"]), package_data={"whaledo.whale.catalogue": ["static/*"]},
    python_requires=f">={s['min_python']}",
    install_requires=s["requirements"].split(), extras_require={"dev": s["dev_requirements"].split(), "heic": s["heic_requirements"].split()},
    entry_points={"console_scripts": s["console_scripts"].split(), "nbdev": [f"whaledo=whaledo._modidx:d"]},
)
