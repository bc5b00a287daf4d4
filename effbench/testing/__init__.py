"""What a plugin author runs before submitting: ``check_task`` and ``check_method`` test a class against the contract.

In the spirit of scikit-learn's ``check_estimator``: all violations are reported at once, each as one sentence that says
what is wrong, what was expected and how to mend it.
"""

from effbench.testing.findings import ConformanceError as ConformanceError
from effbench.testing.findings import Report as Report
from effbench.testing.method_checks import check_method as check_method
from effbench.testing.task_checks import check_task as check_task
