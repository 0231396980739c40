# getCapacity 200
curl "$API/api/v0/status/capacity" -H "X-API-Key: $NOXOVISION_KEY"

# getLatency 200
curl "$API/api/v0/status/latency?media_type=video" -H "X-API-Key: $NOXOVISION_KEY"

# submitVideo 202 VIDEO_JOB=job_id
curl -X POST "$API/api/v0/request/video" \
  -H "X-API-Key: $NOXOVISION_KEY" -H "Max-Processing-Time: 600" \
  -H "Content-Type: application/octet-stream" --data-binary "@$VIDEO"

# getVideoResult 200 until status=finished
curl "$API/api/v0/results/video/$VIDEO_JOB" -H "X-API-Key: $NOXOVISION_KEY" -H "Prefer: wait=10"

# submitImages 202 IMAGES_JOB=job_id
printf '{"images": [{"external_id": "abc", "data_base64": "%s"}]}' "$(base64 -w 0 "$IMAGE")" |
  curl -X POST "$API/api/v0/request/images" \
  -H "X-API-Key: $NOXOVISION_KEY" -H "Content-Type: application/json" --data-binary @-

# getImagesResult 200 until status=finished
curl "$API/api/v0/results/images/$IMAGES_JOB" -H "X-API-Key: $NOXOVISION_KEY" -H "Prefer: wait=10"
