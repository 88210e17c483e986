"""The beginning of a program that uses parts of the package without torch, which takes seconds to import."""

from importlib.util import find_spec

[_FOLDER] = find_spec("alphanet_plugin").submodule_search_locations
BEGINNING = f"""
import sys, types
package = sys.modules["alphanet_plugin"] = types.ModuleType("alphanet_plugin")
package.__path__ = {[_FOLDER]!r}
"""
