"""What Griffe has to be told to read the docstrings of this project."""

import importlib
import inspect
import re
from types import FunctionType

import griffe

# A run of lines that begins with ">>>" and ends at an empty line.
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.M)
# Builders get the arguments that they share when their modules are imported.
FAMILIES = "fer_models.families."


def fenced(text):
    """Return a docstring with a fence around every example, which are written without one."""
    return EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", text)


def parameters(function):
    """Return the parameters of a function, all of which may be given by name or by place."""
    return griffe.Parameters(
        *[
            griffe.Parameter(
                parameter.name,
                annotation=short(inspect.formatannotation(parameter.annotation)),
                kind=griffe.ParameterKind.positional_or_keyword,
                default=None if parameter.default is parameter.empty else repr(parameter.default),
            )
            for parameter in inspect.signature(function).parameters.values()
        ]
    )


def short(annotation):
    """Return an annotation without the modules that its names come from."""
    return re.sub(r"\b(?:\w+\.)+(?=\w)", "", annotation)


class Docstrings(griffe.Extension):
    """Changes what Griffe has read."""

    def on_instance(self, *, obj, **_):
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring and ">>>" in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)

    def on_module_members(self, *, mod, **_):
        """Called by Griffe when it has read a module."""
        if not mod.path.startswith(FAMILIES):
            return
        for name, thing in vars(importlib.import_module(mod.path)).items():
            if thing.__class__ is FunctionType and hasattr(thing, "__signature__"):
                taken = parameters(thing)
                function = griffe.Function(name, parameters=taken, returns="keras.Model")
                function.docstring = griffe.Docstring(
                    fenced(thing.__doc__),
                    parent=function,
                    parser=mod.docstring.parser,
                    parser_options=mod.docstring.parser_options,
                )
                mod.set_member(name, function)
