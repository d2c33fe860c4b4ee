"""What Griffe has to be told to read the docstrings of this project."""

import importlib
import inspect
import re

import griffe

# A run of lines that begins with ">>>" and ends at an empty line.
EXAMPLE = re.compile(r"^( *)>>> .*(?:\n(?! *$).*)*", re.M)
# Functions that are made when the module is imported, not written down one by one.
MADE = "fer_models.families.micro_expression_3d"


def fenced(text):
    """Return a docstring with a fence around every example, which are written without one."""
    return EXAMPLE.sub(r"\1```pycon\n\g<0>\n\1```", text)


def parameters(function):
    """Return the parameters of a function, all of which may be given by name or by place."""
    return griffe.Parameters(
        *[
            griffe.Parameter(
                parameter.name,
                kind=griffe.ParameterKind.positional_or_keyword,
                default=None if parameter.default is parameter.empty else repr(parameter.default),
            )
            for parameter in inspect.signature(function).parameters.values()
        ]
    )


class Docstrings(griffe.Extension):
    """Changes what Griffe has read."""

    def on_instance(self, *, obj, **_):
        """Called by Griffe for each module, class, function and attribute."""
        if obj.docstring and ">>>" in obj.docstring.value:
            obj.docstring.value = fenced(obj.docstring.value)

    def on_module_members(self, *, mod, **_):
        """Called by Griffe when it has read a module."""
        if mod.path != MADE:
            return
        for name, thing in vars(importlib.import_module(MADE)).items():
            if inspect.isfunction(thing) and thing.__module__ == MADE and name not in mod.members:
                function = griffe.Function(name, parameters=parameters(thing))
                function.docstring = griffe.Docstring(
                    fenced(inspect.cleandoc(thing.__doc__)),
                    parent=function,
                    parser=mod.docstring.parser,
                    parser_options=mod.docstring.parser_options,
                )
                mod.set_member(name, function)
