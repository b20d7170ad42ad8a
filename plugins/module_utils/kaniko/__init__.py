"""Images built by kaniko inside the cluster: context, Job, log and the order of builds."""
