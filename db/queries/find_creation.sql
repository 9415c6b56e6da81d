-- What admin $1 created under the key $2; no row: nothing.
SELECT subject_id, request, current_setting('synchronous_standby_names') <> '' AS replicated
  FROM creations
 WHERE admin_id = $1
   AND request_key = $2
