"The package, described by settings.ini alone."
import shutil
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

HERE = Path(__file__).resolve().parent
cfg = ConfigParser(delimiters=["="])
cfg.read(HERE/"settings.ini", encoding="utf-8")
s = cfg["DEFAULT"]
extras = {name: s[f"{name}_requirements"].split() for name in ("review", "train", "scale", "cluster", "bucket", "heic", "detect", "masks", "dev")}
extras["dev"] += [r for name in ("review", "train", "scale", "cluster") for r in extras[name] if r not in extras["dev"]]


class WithProject(build_py):
    "The wheel has all that `whaledo new` lays out; in a clone it lies beside the package."

    def run(self):
        super().run()
        if self.editable_mode:
            return
        ignored = shutil.ignore_patterns(*s["project_ignored"].split())
        for folder in s["project_folders"].split():
            to = Path(self.build_lib)/"whaledo"/"_project"/folder
            shutil.copytree(HERE/folder, to, ignore=ignored, dirs_exist_ok=True)


setup(
    name=s["lib_name"], version=s["version"], description=s["description"], license="MIT", author=s["author"],
    long_description=(HERE/"README.md").read_text(encoding="utf-8"), long_description_content_type="text/markdown",
    url=s["git_url"], keywords=s["keywords"].split(),
    project_urls={"Source": s["git_url"], "Changes": f"{s['git_url']}/blob/{s['branch']}/CHANGELOG.md",
                  "Issues": f"{s['git_url']}/issues"},
    classifiers=[line.strip() for line in s["classifiers"].strip().splitlines()],
    packages=find_packages(include=["whaledo", "whaledo.*"]),
    package_data={"whaledo": ["_project/*", "_project/.gitignore"], "whaledo.whale.catalogue": ["static/*"]},
    python_requires=f">={s['min_python']}", install_requires=s["requirements"].split(), extras_require=extras,
    entry_points={"console_scripts": s["console_scripts"].split(), "nbdev": ["whaledo=whaledo._modidx:d"]},
    cmdclass={"build_py": WithProject},
)
